//===- Array.h - Owned memory without the C++ library -----------*- C++ -*-===//
//
// The runtime is linked with the C library only, so there is no operator new
// and no std::vector; running out of memory is an ordinary error.
//
//===----------------------------------------------------------------------===//

#ifndef MOE_LIB_RUNTIME_ARRAY_H
#define MOE_LIB_RUNTIME_ARRAY_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

namespace moe {
namespace runtime {

/// Owns `size()` uninitialised elements of a trivial type. Move only.
template <typename T> class Array {
  static_assert(std::is_trivial<T>::value, "elements are not constructed");

public:
  Array() = default;
  Array(Array &&Other)
      : Elements(std::exchange(Other.Elements, nullptr)),
        Count(std::exchange(Other.Count, 0)) {}
  Array &operator=(Array &&Other) {
    std::swap(Elements, Other.Elements);
    std::swap(Count, Other.Count);
    return *this;
  }
  ~Array() { free(Elements); }

  /// Replaces the elements by `NewCount` others. False, and empty, if there is
  /// not that much memory.
  bool allocate(uint64_t NewCount) {
    free(Elements);
    Elements = nullptr;
    Count = 0;
    return resize(NewCount);
  }

  /// Keeps the common elements. False, and unchanged, without memory.
  bool resize(uint64_t NewCount) {
    if (NewCount > PTRDIFF_MAX / sizeof(T))
      return false;
    // realloc(p, 0) may free p: keep at least one byte.
    size_t Bytes = NewCount ? NewCount * sizeof(T) : 1;
    void *Memory = realloc(Elements, Bytes);
    if (!Memory)
      return false;
    Elements = static_cast<T *>(Memory);
    Count = NewCount;
    return true;
  }

  T *data() { return Elements; }
  const T *data() const { return Elements; }
  size_t size() const { return Count; }
  T &operator[](size_t I) { return Elements[I]; }
  const T &operator[](size_t I) const { return Elements[I]; }
  T *begin() { return Elements; }
  T *end() { return Elements + Count; }
  const T *begin() const { return Elements; }
  const T *end() const { return Elements + Count; }

private:
  T *Elements = nullptr;
  size_t Count = 0;
};

/// Owns `size()` objects, made without arguments. They stay where they are.
template <typename T> class Objects {
public:
  Objects() = default;
  Objects(const Objects &) = delete;
  Objects &operator=(const Objects &) = delete;
  ~Objects() {
    for (size_t I = Memory.size() / sizeof(T); I-- > 0;)
      (*this)[I].~T();
  }

  /// Makes them; at most once. False, and empty, without memory.
  bool allocate(uint64_t Count) {
    static_assert(alignof(T) <= alignof(std::max_align_t),
                  "malloc's alignment");
    if (Count > PTRDIFF_MAX / sizeof(T) || !Memory.allocate(Count * sizeof(T)))
      return false;
    for (size_t I = 0; I < Count; ++I)
      new (Memory.data() + I * sizeof(T)) T();
    return true;
  }

  size_t size() const { return Memory.size() / sizeof(T); }
  T &operator[](size_t I) { return begin()[I]; }
  T *begin() { return reinterpret_cast<T *>(Memory.data()); }
  T *end() { return begin() + size(); }

private:
  Array<char> Memory;
};

/// A view of bytes that someone else owns. Reads out of its bounds are the
/// caller's to prevent, with `has`.
struct Bytes {
  const uint8_t *Data = nullptr;
  size_t Size = 0;

  /// Are there `Count` bytes from `Offset` on?
  bool has(uint64_t Offset, uint64_t Count) const {
    return Offset <= Size && Count <= Size - Offset;
  }
  Bytes slice(size_t Offset, size_t Count) const {
    return {Data + Offset, Count};
  }
  uint32_t little16(size_t At) const { return Data[At] | Data[At + 1] << 8; }
  uint32_t little32(size_t At) const {
    return little16(At) | little16(At + 2) << 16;
  }
  uint32_t big16(size_t At) const { return Data[At] << 8 | Data[At + 1]; }
  uint32_t big32(size_t At) const { return big16(At) << 16 | big16(At + 2); }
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_ARRAY_H
