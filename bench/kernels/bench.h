//===- bench.h - Ways to compute a matrix product ---------------*- C++ -*-===//

#ifndef MOE_BENCH_KERNELS_BENCH_H
#define MOE_BENCH_KERNELS_BENCH_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

/// Where A and B come from: see kernels.py.
enum class Kind { Weight, Image, Scores, Mixed };

/// Memory that begins a page.
class Memory {
public:
  explicit Memory(size_t floats)
      : values(static_cast<float *>(std::aligned_alloc(
                   kPage, (floats * sizeof(float) / kPage + 1) * kPage)),
               std::free) {}
  float *get() const { return values.get(); }
  float &operator[](size_t i) const { return values.get()[i]; }

private:
  static constexpr size_t kPage = 4096;
  std::unique_ptr<float, decltype(&std::free)> values;
};

/// C[m, n] = A[m, k] B[k, n], by rows, which are `ld` floats apart.
struct Problem {
  Problem(std::string name, Kind kind, int64_t m, int64_t k, int64_t n);

  bool isWeight() const { return kind == Kind::Weight || kind == Kind::Image; }

  std::string name;
  Kind kind;
  int64_t m, k, n;
  int64_t lda, ldb, ldc;
  Memory a, b, c;
  /// What A is gathered from if it is patches of an image.
  Memory image;
  std::vector<double> reference;
};

/// So many copies of a matrix that they fill a working set, or a single one.
class Copies {
public:
  /// `pack` writes the matrix of `floats` floats.
  Copies(size_t floats, size_t workingSet,
         const std::function<void(float *)> &pack);

  size_t count() const { return number; }
  float *operator[](size_t i) const { return pool.get() + i * stride; }

private:
  size_t stride, number;
  Memory pool;
};

/// B's columns in panels of `width`, each by rows; the last may be narrower,
/// but with `padded` it is filled with zeros.
Copies packPanels(const Problem &problem, int64_t width, bool padded,
                  size_t workingSet);

/// A way to compute a problem's C from A and one of the copies of B.
class Method {
public:
  virtual ~Method() = default;
  /// The variant of the library's use.
  virtual std::string form() const = 0;
  virtual size_t copies() const = 0;
  virtual void run(size_t copy) = 0;
};

using Methods = std::vector<std::unique_ptr<Method>>;

/// The ways to use libxsmm that this problem allows.
Methods libxsmmMethods(const Problem &problem, size_t workingSet);
/// What libxsmm generates code for.
std::string libxsmmTarget();

/// oneDNN's matmul primitive.
Methods onednnMethods(const Problem &problem, size_t workingSet);

/// Does independent multiply-adds in registers; returns how many operations,
/// two each, it did in `steps` steps.
double multiplyAdds(int64_t steps);

#endif // MOE_BENCH_KERNELS_BENCH_H
