//===- Progress.cpp - How far it is, on a terminal ------------------------===//

#include "Progress.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

using namespace moe::runtime;

static constexpr int64_t Delay = 1000;   ///< before it is shown
static constexpr int64_t Interval = 100; ///< between two looks of it
static constexpr char EraseLine[] = "\r\x1b[K";
static constexpr int MaxBar = 40; ///< columns, without brackets

static int64_t now() {
  timespec Time;
  clock_gettime(CLOCK_MONOTONIC, &Time);
  return Time.tv_sec * INT64_C(1000) + Time.tv_nsec / 1000000;
}

/// Columns of the terminal.
static int width() {
  winsize Size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &Size) == 0 && Size.ws_col > 0)
    return Size.ws_col;
  return 80;
}

bool Progress::isWanted() {
  return isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
}

void Progress::start(int64_t NewTotal) {
  IsStarted = true;
  Total = NewTotal;
  Start = now();
}

/// "1:02:03" or "2:03".
static void formatTime(char (&Text)[32], int64_t Seconds) {
  int Minutes = static_cast<int>(Seconds / 60 % 60);
  int Rest = static_cast<int>(Seconds % 60);
  if (Seconds >= 3600)
    snprintf(Text, sizeof Text, "%lld:%02d:%02d",
             static_cast<long long>(Seconds / 3600), Minutes, Rest);
  else
    snprintf(Text, sizeof Text, "%d:%02d", Minutes, Rest);
}

void Progress::update(int64_t NumDone, int64_t NumFailed) {
  if (!IsStarted)
    return;
  int64_t Now = now();
  int64_t Elapsed = Now - Start;
  if (Elapsed < Delay || (IsShown && Now - LastDrawn < Interval))
    return;
  char Text[160];
  int Length = 0;
  // The longest text has 130 characters.
  auto add = [&](const char *Format, auto... Values) {
    Length += snprintf(Text + Length, sizeof Text - Length, Format, Values...);
  };
  bool HasTotal = Total >= NumDone && Total > 0;
  add("%lld", static_cast<long long>(NumDone));
  if (HasTotal)
    add("/%lld", static_cast<long long>(Total));
  add("  %.1f/s", NumDone * 1e3 / Elapsed);
  if (NumFailed > 0)
    add("  %lld failed", static_cast<long long>(NumFailed));
  if (HasTotal) {
    char Left[32];
    double Seconds = Elapsed * 1e-3 * (Total - NumDone) / NumDone;
    // A year is long enough to show.
    formatTime(Left, static_cast<int64_t>(std::min(Seconds + 0.5, 31536000.0)));
    add("  %s left", Left);
  }

  // The last column stays free: some terminals would go to the next line.
  int Room = width() - 1;
  char Bar[MaxBar + 5] = "";
  int Columns = std::min(Room - Length - 4, MaxBar);
  if (HasTotal && Columns >= 5) {
    int Full = static_cast<int>(static_cast<double>(NumDone) / Total * Columns);
    Bar[0] = '[';
    memset(Bar + 1, '=', Full);
    memset(Bar + 1 + Full, ' ', Columns - Full);
    strcpy(Bar + 1 + Columns, "]  ");
  }
  // One call, as standard error has no buffer.
  fprintf(stderr, "%s%s%.*s", EraseLine, Bar, std::max(Room, 0), Text);
  IsShown = true;
  LastDrawn = Now;
}

void Progress::erase() {
  if (!IsShown)
    return;
  fputs(EraseLine, stderr);
  IsShown = false;
}
