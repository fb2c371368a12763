//===- driver.cpp - Times matrix products ---------------------------------===//
//
//   driver ROUNDS MICROSECONDS WORKING-SET-BYTES...
//
// Times each kernel of kernels.inc and the libraries that it was built with in
// turn, ROUNDS times, for about so many MICROSECONDS each; and that once for
// each working set that the copies of a weight fill, 0 being a single copy.
// Prints a line of JSON for each.
//
//===----------------------------------------------------------------------===//

#include "bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

namespace {
/// A kernel of the compiler.
struct Kernel {
  const char *name;
  Kind kind;
  int64_t m, k, n;
  /// Of A, B and C; for a weight, B's address is in `weight` instead.
  void (*run)(const float *, const float *, float *);
  const float **weight;
};
} // namespace

#define WEIGHT_KERNEL(NAME, KIND, M, K, N)                                     \
  extern "C" {                                                                 \
  void matmul_##NAME(const float *, float *);                                  \
  const float *kernels_w_##NAME##_addresses[1];                                \
  }
#define PLAIN_KERNEL(NAME, KIND, M, K, N)                                      \
  extern "C" void matmul_##NAME(const float *, const float *, float *);
#include "kernels.inc"
#undef WEIGHT_KERNEL
#undef PLAIN_KERNEL

#define WEIGHT_KERNEL(NAME, KIND, M, K, N)                                     \
  {#NAME,                                                                      \
   KIND,                                                                       \
   M,                                                                          \
   K,                                                                          \
   N,                                                                          \
   [](const float *a, const float *, float *c) { matmul_##NAME(a, c); },       \
   kernels_w_##NAME##_addresses},
#define PLAIN_KERNEL(NAME, KIND, M, K, N)                                      \
  {#NAME, KIND, M, K, N, matmul_##NAME, nullptr},
static const Kernel kKernels[] = {
#include "kernels.inc"
};

//===----------------------------------------------------------------------===//
// Problems
//===----------------------------------------------------------------------===//

constexpr int64_t kPanel = 16;

static int64_t roundUp(int64_t value) {
  return (value + kPanel - 1) / kPanel * kPanel;
}

static void fillRandom(const Memory &memory, size_t floats) {
  std::minstd_rand generator(static_cast<unsigned>(floats));
  std::uniform_real_distribution<float> values(-1, 1);
  std::generate_n(memory.get(), floats, [&] { return values(generator); });
}

/// Takes A from the image: a row for each patch, channel by channel.
static void gatherPatches(const Problem &problem) {
  int64_t side = std::lround(std::sqrt(problem.m));
  int64_t patch = std::lround(std::sqrt(problem.k / 3));
  int64_t size = side * patch;
  for (int64_t m = 0; m < problem.m; ++m)
    for (int64_t k = 0; k < problem.k; ++k) {
      int64_t channel = k / (patch * patch);
      int64_t y = m / side * patch + k / patch % patch;
      int64_t x = m % side * patch + k % patch;
      problem.a[m * problem.lda + k] =
          problem.image[(channel * size + y) * size + x];
    }
}

static std::vector<double> computeReference(const Problem &problem) {
  std::vector<double> c(problem.m * problem.n);
  for (int64_t m = 0; m < problem.m; ++m)
    for (int64_t k = 0; k < problem.k; ++k) {
      double a = problem.a[m * problem.lda + k];
      const float *b = problem.b.get() + k * problem.ldb;
      for (int64_t n = 0; n < problem.n; ++n)
        c[m * problem.n + n] += a * b[n];
    }
  return c;
}

Problem::Problem(std::string name, Kind kind, int64_t m, int64_t k, int64_t n)
    : name(std::move(name)), kind(kind), m(m), k(k), n(n),
      lda(kind == Kind::Mixed ? roundUp(k) : k),
      ldb(kind == Kind::Scores ? roundUp(n) : n), ldc(roundUp(n)), a(m * lda),
      b(k * ldb), c(m * ldc), image(kind == Kind::Image ? m * k : 0) {
  fillRandom(a, m * lda);
  fillRandom(b, k * ldb);
  if (kind == Kind::Image) {
    fillRandom(image, m * k);
    gatherPatches(*this);
  }
  reference = computeReference(*this);
}

/// The greatest difference of C from the reference, relative to its maximum.
static double errorOf(const Problem &problem) {
  double error = 0, scale = 0;
  for (int64_t m = 0; m < problem.m; ++m)
    for (int64_t n = 0; n < problem.n; ++n) {
      double right = problem.reference[m * problem.n + n];
      double off = std::abs(problem.c[m * problem.ldc + n] - right);
      error = std::isnan(off) ? std::numeric_limits<double>::max()
                              : std::max(error, off);
      scale = std::max(scale, std::abs(right));
    }
  return error / scale;
}

//===----------------------------------------------------------------------===//
// Copies of B
//===----------------------------------------------------------------------===//

Copies::Copies(size_t floats, size_t workingSet,
               const std::function<void(float *)> &pack)
    : stride((floats + kPanel - 1) / kPanel * kPanel),
      number(std::max<size_t>(1, workingSet / (stride * sizeof(float)))),
      pool(stride * number) {
  pack(pool.get());
  for (size_t i = 1; i < number; ++i)
    std::copy_n(pool.get(), floats, (*this)[i]);
}

Copies packPanels(const Problem &problem, int64_t width, bool padded,
                  size_t workingSet) {
  int64_t columns = padded ? roundUp(problem.n) : problem.n;
  return Copies(problem.k * columns, workingSet, [&](float *to) {
    for (int64_t first = 0; first < columns; first += width) {
      int64_t last = std::min(first + width, columns);
      for (int64_t k = 0; k < problem.k; ++k)
        for (int64_t n = first; n < last; ++n)
          *to++ = n < problem.n ? problem.b[k * problem.ldb + n] : 0.0f;
    }
  });
}

namespace {
/// The compiler's kernel.
class Ours : public Method {
public:
  Ours(const Kernel &kernel, const Problem &problem, size_t workingSet)
      : kernel(kernel), problem(problem) {
    if (problem.isWeight())
      weights = std::make_unique<Copies>(
          packPanels(problem, kPanel, /*padded=*/true, workingSet));
  }

  std::string form() const override { return ""; }

  size_t copies() const override { return weights ? weights->count() : 1; }

  void run(size_t copy) override {
    if (weights)
      *kernel.weight = (*weights)[copy];
    bool isImage = problem.kind == Kind::Image;
    kernel.run((isImage ? problem.image : problem.a).get(), problem.b.get(),
               problem.c.get());
  }

private:
  const Kernel &kernel;
  const Problem &problem;
  std::unique_ptr<Copies> weights;
};
} // namespace

//===----------------------------------------------------------------------===//
// Timing
//===----------------------------------------------------------------------===//

static double nanoseconds() {
  using namespace std::chrono;
  return static_cast<double>(duration_cast<std::chrono::nanoseconds>(
                                 steady_clock::now().time_since_epoch())
                                 .count());
}

namespace {
/// A method, and how it did.
class Contender {
public:
  Contender(std::string name, std::unique_ptr<Method> method, double target)
      : name(std::move(name)), method(std::move(method)), target(target) {}

  /// Runs it once on a cleared C.
  void check(const Problem &problem) {
    std::fill_n(problem.c.get(), problem.m * problem.ldc, NAN);
    method->run(0);
    error = errorOf(problem);
  }

  /// Nanoseconds of one call, from calls that take as long as wanted.
  double measure() {
    for (;;) {
      double start = nanoseconds();
      for (int64_t call = 0; call < calls; ++call) {
        method->run(copy);
        copy = copy + 1 == method->copies() ? 0 : copy + 1;
      }
      double time = nanoseconds() - start;
      if (time > target / 2)
        return time / static_cast<double>(calls);
      calls = time < target / 16
                  ? calls * 8
                  : static_cast<int64_t>(static_cast<double>(calls) *
                                         (target / time)) +
                        1;
    }
  }

  void addSample() { samples.push_back(measure()); }

  void print() const {
    std::printf("\"%s\": {\"form\": \"%s\", \"copies\": %zu, \"error\": %.2e, "
                "\"ns\": [",
                name.c_str(), method->form().c_str(), method->copies(), error);
    for (size_t i = 0; i < samples.size(); ++i)
      std::printf("%s%.1f", i ? ", " : "", samples[i]);
    std::printf("]}");
  }

private:
  std::string name;
  std::unique_ptr<Method> method;
  double target, error = 0;
  int64_t calls = 1;
  size_t copy = 0;
  std::vector<double> samples;
};

struct Options {
  int rounds;
  double nanoseconds;
  std::vector<size_t> workingSets;
};
} // namespace

/// The fastest of the methods in a short trial. None if there is no method.
static void addBest(std::vector<Contender> &contenders, const char *name,
                    Methods methods, double target) {
  constexpr int trials = 3;
  double bestTime = std::numeric_limits<double>::max();
  std::vector<Contender> forms;
  for (std::unique_ptr<Method> &method : methods)
    forms.emplace_back(name, std::move(method), target);
  std::vector<double> times(forms.size(), bestTime);
  for (int trial = 0; forms.size() > 1 && trial < trials; ++trial)
    for (size_t i = 0; i < forms.size(); ++i)
      times[i] = std::min(times[i], forms[i].measure());
  if (!forms.empty())
    contenders.push_back(std::move(
        forms[std::min_element(times.begin(), times.end()) - times.begin()]));
}

/// Billions of operations a second.
static double measurePeak() {
  constexpr int64_t steps = 50000;
  double start = nanoseconds();
  double operations = multiplyAdds(steps);
  return operations / (nanoseconds() - start);
}

static void benchmark(const Kernel &kernel, const Problem &problem,
                      size_t workingSet, const Options &options) {
  std::vector<Contender> contenders;
  double target = options.nanoseconds;
  contenders.emplace_back(
      "ours", std::make_unique<Ours>(kernel, problem, workingSet), target);
#ifdef MOE_BENCH_LIBXSMM
  addBest(contenders, "libxsmm", libxsmmMethods(problem, workingSet), target);
#endif
#ifdef MOE_BENCH_ONEDNN
  addBest(contenders, "onednn", onednnMethods(problem, workingSet), target);
#endif
  for (Contender &contender : contenders) {
    contender.check(problem);
    contender.measure();
  }
  std::vector<double> peaks;
  for (int round = 0; round < options.rounds; ++round) {
    peaks.push_back(measurePeak());
    for (Contender &contender : contenders)
      contender.addSample();
  }
  std::printf("{\"name\": \"%s\", \"working_set\": %zu, \"peak\": [",
              kernel.name, workingSet);
  for (size_t i = 0; i < peaks.size(); ++i)
    std::printf("%s%.2f", i ? ", " : "", peaks[i]);
  std::printf("], \"methods\": {");
  for (const Contender &contender : contenders) {
    if (&contender != &contenders.front())
      std::printf(", ");
    contender.print();
  }
  std::printf("}}\n");
  std::fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: %s ROUNDS MICROSECONDS WORKING-SET-BYTES...\n",
                 argv[0]);
    return 2;
  }
  Options options{std::atoi(argv[1]), std::atof(argv[2]) * 1000, {}};
  for (int i = 3; i < argc; ++i)
    options.workingSets.push_back(std::strtoull(argv[i], nullptr, 10));
#ifdef MOE_BENCH_LIBXSMM
  std::fprintf(stderr, "libxsmm generates code for %s\n",
               libxsmmTarget().c_str());
#endif
  for (const Kernel &kernel : kKernels) {
    Problem problem(kernel.name, kernel.kind, kernel.m, kernel.k, kernel.n);
    for (size_t workingSet : options.workingSets)
      // What is no weight is never cold.
      if (problem.isWeight() || workingSet == 0)
        benchmark(kernel, problem, workingSet, options);
  }
}
