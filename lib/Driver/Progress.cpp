//===- Progress.cpp - A line that says what takes so long -----------------===//

#include "moe/Driver/Progress.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

#include <sys/ioctl.h>
#include <unistd.h>

using namespace mlir;
using namespace mlir::moe;
using Clock = std::chrono::steady_clock;

/// Nobody waits consciously for less.
static constexpr std::chrono::milliseconds kQuiet(1000);
/// Between two changes of the line.
static constexpr std::chrono::milliseconds kInterval(100);

/// A thread of its own draws the line, since one step may last long.
class Progress::Line {
public:
  Line();
  ~Line();
  void step(std::string text, double fraction);
  void beginPart(std::string text);
  void endPart();
  /// Erases the line, as others are about to write.
  void giveWay();

private:
  /// A stream that is flushed before something is written to the streams that
  /// are tied to it. It has a character to flush at all times.
  class Tie : public raw_ostream {
  public:
    explicit Tie(Line &line) : line(line) {
      SetBufferSize(16);
      *this << ' ';
    }
    ~Tie() override {
      isOver = true;
      flush();
    }

  private:
    void write_impl(const char *, size_t) override {
      if (isOver)
        return;
      line.giveWay();
      *this << ' ';
    }
    uint64_t current_pos() const override { return 0; }

    Line &line;
    bool isOver = false;
  };

  void drawUntilOver();
  // These need the mutex.
  void say(std::string newText, double newFraction);
  void draw();
  void erase();
  void write(StringRef text);

  Tie tie{*this};
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> parts;
  std::string text;
  double fraction = -1;
  Clock::time_point start = Clock::now();
  /// When the line may appear.
  Clock::time_point next = start + kQuiet;
  /// What the terminal shows.
  std::string drawn;
  /// Others have written something, and perhaps still do: a slow terminal keeps
  /// them waiting. They are through with it at the next step.
  bool isSilent = false;
  bool isOver = false;
  std::thread thread;
};

Progress::Line *Progress::current = nullptr;

Progress::Line::Line() {
  thread = std::thread([this] { drawUntilOver(); });
  llvm::errs().tie(&tie);
  if (llvm::outs().is_displayed())
    llvm::outs().tie(&tie);
}

Progress::Line::~Line() {
  llvm::outs().tie(nullptr);
  llvm::errs().tie(nullptr);
  {
    std::lock_guard<std::mutex> lock(mutex);
    isOver = true;
  }
  changed.notify_one();
  thread.join();
  erase();
}

void Progress::Line::step(std::string newText, double newFraction) {
  std::lock_guard<std::mutex> lock(mutex);
  say(std::move(newText), newFraction);
}

void Progress::Line::beginPart(std::string newText) {
  std::lock_guard<std::mutex> lock(mutex);
  parts.push_back(std::move(newText));
  say("", -1);
}

void Progress::Line::endPart() {
  std::lock_guard<std::mutex> lock(mutex);
  parts.pop_back();
  say("", -1);
}

void Progress::Line::say(std::string newText, double newFraction) {
  text = std::move(newText);
  fraction = newFraction;
  if (isSilent)
    changed.notify_one();
  isSilent = false;
}

void Progress::Line::giveWay() {
  std::lock_guard<std::mutex> lock(mutex);
  erase();
  isSilent = true;
  next = std::max(next, Clock::now() + kQuiet);
}

void Progress::Line::drawUntilOver() {
  std::unique_lock<std::mutex> lock(mutex);
  while (!isOver) {
    if (isSilent) {
      changed.wait(lock);
      continue;
    }
    if (Clock::now() < next) {
      changed.wait_until(lock, next);
      continue;
    }
    draw();
    next = Clock::now() + kInterval;
  }
}

void Progress::Line::draw() {
  if (parts.empty() && text.empty())
    return;
  auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - start);
  std::string line;
  llvm::raw_string_ostream os(line);
  os << llvm::format("%3lld s  ", static_cast<long long>(seconds.count()))
     << llvm::join(parts, ": ");
  if (!text.empty())
    os << (parts.empty() ? "" : ": ") << text;
  if (fraction >= 0)
    os << llvm::format(" (%.0f%%)", 100 * std::min(fraction, 1.0));
  struct winsize size = {};
  size_t columns = 80;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    columns = size.ws_col;
  // Some terminals break a line that is as long as they are wide.
  line.resize(std::min(line.size(), columns - 1));
  if (line == drawn)
    return;
  write("\r" + line + "\x1b[K");
  drawn = std::move(line);
}

void Progress::Line::erase() {
  if (!drawn.empty())
    write("\r\x1b[K");
  drawn.clear();
}

void Progress::Line::write(StringRef bytes) {
  // What cannot be written is not worth an error.
  (void)!::write(STDERR_FILENO, bytes.data(), bytes.size());
}

Progress::Progress() {
  const char *terminal = std::getenv("TERM");
  if (!llvm::errs().is_displayed() || !terminal ||
      StringRef(terminal).empty() || StringRef(terminal) == "dumb")
    return;
  line = std::make_unique<Line>();
  current = line.get();
}

Progress::~Progress() {
  if (line)
    current = nullptr;
}

void Progress::step(const Twine &text, double fraction) {
  if (current)
    current->step(text.str(), fraction);
}

Progress::Part::Part(const Twine &text) {
  if (current)
    current->beginPart(text.str());
}

Progress::Part::~Part() {
  if (current)
    current->endPart();
}
