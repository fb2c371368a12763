// Threads with a workspace each run different inputs at the same time; every
// result must have the bits of the same input run alone. Usage: run_threads
// INPUTS [shared-workspace]: a file of raw floats for several images, and a
// mistake for a sanitizer to find. Compiled with -DHEADER="model.h"
// -DMODEL=model.
#include HEADER
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(suffix) JOIN(MODEL, suffix)

namespace {
constexpr size_t Inputs = NAME(_CHANNELS) * NAME(_HEIGHT) * NAME(_WIDTH);
constexpr size_t Classes = NAME(_CLASSES);

class Workspace {
public:
  Workspace() : memory(NAME(_workspace_size)() + 64) {}
  void *get() {
    auto address = reinterpret_cast<size_t>(memory.data());
    return memory.data() + (64 - address % 64) % 64;
  }

private:
  std::vector<unsigned char> memory;
};
} // namespace

int main(int argc, char **argv) {
  if (argc < 2)
    return 2;
  const bool isShared =
      argc > 2 && std::strcmp(argv[2], "shared-workspace") == 0;
  FILE *file = std::fopen(argv[1], "rb");
  if (!file)
    return 2;
  std::vector<float> inputs;
  std::vector<float> image(Inputs);
  while (std::fread(image.data(), sizeof(float), Inputs, file) == Inputs)
    inputs.insert(inputs.end(), image.begin(), image.end());
  std::fclose(file);
  const size_t count = inputs.size() / Inputs;
  if (count < 2)
    return 2;

  // The threads come first, so that they also race for the model's first run.
  std::vector<float> found(count * Classes);
  std::vector<int> wrong(count, 0);
  Workspace common;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < count; ++t)
    threads.emplace_back([&, t] {
      Workspace own;
      Workspace &workspace = isShared ? common : own;
      std::vector<float> logits(Classes);
      float *first = &found[t * Classes];
      if (NAME(_run)(&inputs[t * Inputs], first, workspace.get()) != 0)
        wrong[t] = 1;
      for (int i = 0; i < 50; ++i) {
        if (NAME(_run)(&inputs[t * Inputs], logits.data(), workspace.get()) !=
                0 ||
            std::memcmp(logits.data(), first, Classes * sizeof(float)) != 0)
          wrong[t] = 1;
      }
    });
  for (std::thread &thread : threads)
    thread.join();

  Workspace workspace;
  std::vector<float> alone(Classes);
  for (size_t t = 0; t < count; ++t) {
    if (NAME(_run)(&inputs[t * Inputs], alone.data(), workspace.get()) != 0 ||
        std::memcmp(alone.data(), &found[t * Classes],
                    Classes * sizeof(float)) != 0)
      wrong[t] = 1;
    if (wrong[t])
      std::fprintf(stderr, "thread %zu differs\n", t);
  }
  for (int isWrong : wrong)
    if (isWrong)
      return 1;
  return 0;
}
