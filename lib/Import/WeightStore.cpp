//===- WeightStore.cpp - Memory-mapped weights ----------------------------===//

#include "moe/Import/WeightStore.h"

#include "InputFile.h"
#include "Json.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/Twine.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/Endian.h"

#include <algorithm>
#include <cstring>

using namespace mlir;
using namespace mlir::moe;

static_assert(llvm::endianness::native == llvm::endianness::little,
              "safetensors are little-endian, and read as they are");

/// Bytes in front of the header: its length.
static constexpr uint64_t lengthBytes = 8;
/// The reference implementation's limit.
static constexpr uint64_t maxHeaderBytes = 100000000;
/// No tensor of a model has more than four; this only bounds memory.
static constexpr size_t maxRank = 64;

//===----------------------------------------------------------------------===//
// The header
//===----------------------------------------------------------------------===//

/// Bits of an element of a type that the format knows, else nothing.
static std::optional<int64_t> bitsOfDType(StringRef name) {
  int64_t bits = llvm::StringSwitch<int64_t>(name)
                     .Case("F4", 4)
                     .Cases({"F6_E2M3", "F6_E3M2"}, 6)
                     .Cases({"BOOL", "U8", "I8"}, 8)
                     .Cases({"F8_E5M2", "F8_E4M3", "F8_E8M0"}, 8)
                     .Cases({"F8_E4M3FNUZ", "F8_E5M2FNUZ"}, 8)
                     .Cases({"I16", "U16", "F16", "BF16"}, 16)
                     .Cases({"I32", "U32", "F32"}, 32)
                     .Cases({"I64", "U64", "F64", "C64"}, 64)
                     .Default(0);
  return bits ? std::optional(bits) : std::nullopt;
}

namespace {
struct HeaderEntry {
  TensorInfo info;
  /// Bytes from the start of the data.
  int64_t begin = 0, end = 0;
};

/// Collects the entries of a header without a tree in between: a header has up
/// to 100 MB. Values may be wrong, but have the right types.
class HeaderReader final : public JsonEvents {
public:
  explicit HeaderReader(JsonErrorSink error) : error(error) {}

  std::vector<HeaderEntry> entries;

  bool startObject() override {
    if (place == Place::Start) {
      place = Place::Tensors;
      return true;
    }
    if (place == Place::Tensors && name == "__metadata__") {
      place = Place::Metadata;
      return true;
    }
    if (place == Place::Tensors) {
      place = Place::Tensor;
      field.clear();
      entries.emplace_back();
      hasDType = hasShape = hasOffsets = false;
      return true;
    }
    return unexpected("an object");
  }

  bool key(std::string key) override {
    if (place == Place::Metadata) {
      if (metadataKeys.insert(key).second)
        return true;
      return fail("__metadata__ has the key " + quoteForMessage(key) +
                  " twice");
    }
    if (place == Place::Tensors) {
      name = std::move(key);
      if (name != "__metadata__")
        return true; // Duplicates show when the entries are sorted.
      if (hasMetadata)
        return fail("is there twice");
      return hasMetadata = true;
    }
    field = std::move(key);
    bool *seen = field == "dtype"          ? &hasDType
                 : field == "shape"        ? &hasShape
                 : field == "data_offsets" ? &hasOffsets
                                           : nullptr;
    if (!seen)
      return fail("expected the fields dtype, shape and data_offsets, found " +
                  quoteForMessage(field));
    if (*seen)
      return fail("has " + field + " twice");
    return *seen = true;
  }

  bool endObject() override {
    if (place == Place::Tensor) {
      if (!hasDType || !hasShape || !hasOffsets)
        return fail(llvm::Twine("expected the fields dtype, shape and "
                                "data_offsets, found no ") +
                    (!hasDType   ? "dtype"
                     : !hasShape ? "shape"
                                 : "data_offsets"));
      entries.back().info.name = std::move(name);
    }
    place = place == Place::Tensors ? Place::End : Place::Tensors;
    return true;
  }

  bool startArray() override {
    if (place != Place::Tensor || field == "dtype")
      return unexpected("a list");
    place = field == "shape" ? Place::Shape : Place::Offsets;
    numOffsets = 0;
    return true;
  }

  bool endArray() override {
    if (place == Place::Offsets && numOffsets != 2)
      return fail("data_offsets: expected a begin and an end, found " +
                  llvm::Twine(numOffsets) + " numbers");
    place = Place::Tensor;
    return true;
  }

  bool scalar(JsonScalar value) override {
    bool isSize = value.kind == JsonScalar::Kind::Integer && value.integer >= 0;
    bool isString = value.kind == JsonScalar::Kind::String;
    if (place == Place::Shape && isSize) {
      SmallVectorImpl<int64_t> &shape = entries.back().info.shape;
      if (shape.size() == maxRank)
        return fail("shape: expected at most " + llvm::Twine(maxRank) +
                    " dimensions, found more");
      shape.push_back(value.integer);
      return true;
    }
    if (place == Place::Offsets && isSize) {
      HeaderEntry &entry = entries.back();
      (numOffsets == 0 ? entry.begin : entry.end) = value.integer;
      ++numOffsets;
      return true;
    }
    if (place == Place::Tensor && field == "dtype" && isString) {
      entries.back().info.dtypeName = std::move(value.text);
      return true;
    }
    if (place == Place::Metadata && isString)
      return true;
    return unexpected(value.describe());
  }

private:
  enum class Place {
    Start,
    Tensors,
    Metadata,
    Tensor,
    Shape,
    Offsets,
    End,
  };

  bool fail(const llvm::Twine &message) {
    bool atTop = place == Place::Start || place == Place::End;
    error(atTop ? "header" : StringRef(name), message.str());
    return false;
  }

  bool unexpected(StringRef found) {
    switch (place) {
    case Place::Start:
    case Place::End:
      return fail("expected an object of tensors, found " + found);
    case Place::Tensors:
      return fail("expected an object, found " + found);
    case Place::Metadata:
      return fail("expected strings only, found " + found);
    case Place::Tensor:
      return fail(field + ": expected " +
                  (field == "dtype"   ? "a string"
                   : field == "shape" ? "a list of sizes"
                                      : "a list of a begin and an end") +
                  ", found " + found);
    case Place::Shape:
    case Place::Offsets:
      return fail(field + ": expected integers from 0 to 2^63 - 1, found " +
                  found);
    }
    llvm_unreachable("all places are handled");
  }

  JsonErrorSink error;
  Place place = Place::Start;
  std::string name, field;
  bool hasMetadata = false, hasDType = false, hasShape = false,
       hasOffsets = false;
  unsigned numOffsets = 0;
  llvm::StringSet<> metadataKeys;
};
} // namespace

/// Checks that type, shape and offsets of an entry agree, with `dataBytes`
/// bytes of data in the file.
static bool checkEntry(const HeaderEntry &entry, int64_t dataBytes,
                       JsonErrorSink error) {
  auto fail = [&](const llvm::Twine &message) {
    error(entry.info.name, message.str());
    return false;
  };
  if (entry.begin > entry.end || entry.end > dataBytes)
    return fail("data_offsets: expected 0 <= begin <= end <= " +
                llvm::Twine(dataBytes) + " (the bytes of data), found [" +
                llvm::Twine(entry.begin) + ", " + llvm::Twine(entry.end) + "]");

  int64_t size = 1;
  bool overflow = false;
  for (int64_t dim : entry.info.shape)
    overflow |= __builtin_mul_overflow(size, dim, &size);
  std::optional<int64_t> bits = bitsOfDType(entry.info.dtypeName);
  // The elements are counted in any case; what an unknown type's have in bytes
  // nobody knows.
  int64_t numBits = 0;
  if (bits)
    overflow |= __builtin_mul_overflow(size, *bits, &numBits);
  if (overflow)
    return fail("shape: its size in bits does not fit in 63 bits");
  int64_t bytes = entry.end - entry.begin;
  if (bits && (numBits % 8 != 0 || numBits / 8 != bytes))
    return fail("data_offsets: expected " + llvm::Twine(numBits / 8) +
                " bytes for its shape and dtype, found " + llvm::Twine(bytes));
  return true;
}

/// Checks that `entries` tile the data from 0 to `dataBytes`.
static bool checkTiling(ArrayRef<HeaderEntry> entries, int64_t dataBytes,
                        JsonErrorSink error) {
  std::vector<const HeaderEntry *> order;
  order.reserve(entries.size());
  for (const HeaderEntry &entry : entries)
    order.push_back(&entry);
  llvm::sort(order, [](const HeaderEntry *a, const HeaderEntry *b) {
    return std::tie(a->begin, a->end) < std::tie(b->begin, b->end);
  });

  int64_t expected = 0;
  for (const HeaderEntry *entry : order) {
    if (entry->begin != expected) {
      error(entry->info.name,
            ("data_offsets: expected a begin of " + llvm::Twine(expected) +
             ", where the tensor before it ends (" +
             (entry->begin < expected ? "they overlap" : "there is a hole") +
             "), found " + llvm::Twine(entry->begin))
                .str());
      return false;
    }
    expected = entry->end;
  }
  if (expected == dataBytes)
    return true;
  error("header",
        ("expected tensors for all " + llvm::Twine(dataBytes) +
         " bytes of data, found them for the first " + llvm::Twine(expected))
            .str());
  return false;
}

FailureOr<WeightStore> WeightStore::open(StringRef path, InputErrorSink sink) {
  std::unique_ptr<llvm::MemoryBuffer> buffer =
      openInputFile(path, INT64_MAX, sink);
  if (!buffer)
    return failure();
  return fromBuffer(std::move(buffer), path, sink);
}

FailureOr<WeightStore>
WeightStore::fromBuffer(std::unique_ptr<llvm::MemoryBuffer> buffer,
                        StringRef path, InputErrorSink sink) {
  auto error = [&](StringRef where, StringRef message) {
    // A tensor's name may be empty.
    reportError(sink, path, where.empty() ? "\"\"" : where, message);
  };
  auto fail = [&](const llvm::Twine &message) {
    error("header", message.str());
    return failure();
  };

  StringRef contents = buffer->getBuffer();
  if (contents.size() < lengthBytes)
    return fail("expected at least " + llvm::Twine(lengthBytes) +
                " bytes of safetensors, found " + llvm::Twine(contents.size()));
  uint64_t headerBytes = llvm::support::endian::read64le(contents.data());
  contents = contents.drop_front(lengthBytes);
  if (headerBytes > maxHeaderBytes)
    return fail("expected a header of at most " + llvm::Twine(maxHeaderBytes) +
                " bytes, found a length of " + llvm::Twine(headerBytes) +
                "; is this a safetensors file?");
  if (headerBytes > contents.size())
    return fail("the header's length is " + llvm::Twine(headerBytes) +
                " bytes, but only " + llvm::Twine(contents.size()) +
                " follow; the file is cut off");
  StringRef header = contents.take_front(headerBytes);
  StringRef data = contents.drop_front(headerBytes);
  if (!header.starts_with("{"))
    return fail("expected a JSON object that starts with {");

  HeaderReader reader(error);
  auto jsonError = [&](StringRef where, StringRef message) {
    error("header", (where + ": " + message).str());
  };
  if (!parseJsonEvents(header, reader, jsonError))
    return failure();

  // First of all the names: what follows would blame the offsets of a copy.
  llvm::sort(reader.entries, [](const HeaderEntry &a, const HeaderEntry &b) {
    return a.info.name < b.info.name;
  });
  auto duplicate =
      std::adjacent_find(reader.entries.begin(), reader.entries.end(),
                         [](const HeaderEntry &a, const HeaderEntry &b) {
                           return a.info.name == b.info.name;
                         });
  if (duplicate != reader.entries.end()) {
    error(duplicate->info.name, "is in the header twice");
    return failure();
  }

  int64_t dataBytes = data.size();
  for (const HeaderEntry &entry : reader.entries)
    if (!checkEntry(entry, dataBytes, error))
      return failure();
  if (!checkTiling(reader.entries, dataBytes, error))
    return failure();

  WeightStore store;
  store.filePath = path.str();
  store.infos.reserve(reader.entries.size());
  for (HeaderEntry &entry : reader.entries) {
    TensorInfo &info = store.infos.emplace_back(std::move(entry.info));
    info.dtype = llvm::StringSwitch<TensorInfo::DType>(info.dtypeName)
                     .Case("F32", TensorInfo::DType::F32)
                     .Case("F16", TensorInfo::DType::F16)
                     .Case("BF16", TensorInfo::DType::BF16)
                     .Default(TensorInfo::DType::Other);
    info.data = ArrayRef(data.data() + entry.begin, entry.end - entry.begin);
  }
  store.buffer = std::move(buffer);
  return store;
}

const TensorInfo *WeightStore::find(StringRef name) const {
  auto it = llvm::lower_bound(infos, name,
                              [](const TensorInfo &info, StringRef name) {
                                return StringRef(info.name) < name;
                              });
  return it != infos.end() && it->name == name ? &*it : nullptr;
}

//===----------------------------------------------------------------------===//
// The data
//===----------------------------------------------------------------------===//

int64_t TensorInfo::numElements() const {
  int64_t size = 1;
  for (int64_t dim : shape)
    size *= dim;
  return size;
}

/// The bits of the f32 with the value of the f16 `half`.
static uint32_t widenF16(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16;
  uint32_t magnitude = uint32_t(half & 0x7fff) << 13;
  // The exponent's bias is 127 instead of 15; multiplying makes subnormals
  // normal on the way.
  float scaled = llvm::bit_cast<float>(magnitude) * 0x1p112f;
  bool special = (half & 0x7c00) == 0x7c00;
  return sign |
         (special ? magnitude | 0x7f800000u : llvm::bit_cast<uint32_t>(scaled));
}

void WeightStore::readAsF32(const TensorInfo &tensor, int64_t first,
                            MutableArrayRef<float> out) {
  assert(first >= 0 && first + int64_t(out.size()) <= tensor.numElements() &&
         "elements out of range");
  if (out.empty())
    return; // An empty tensor at the end of an empty file has no address.
  if (tensor.dtype == TensorInfo::DType::F32) {
    std::memcpy(out.data(), tensor.data.data() + first * 4, out.size() * 4);
    return;
  }
  assert(tensor.dtype != TensorInfo::DType::Other && "unsupported type");
  const char *source = tensor.data.data() + first * 2;
  bool isF16 = tensor.dtype == TensorInfo::DType::F16;
  for (size_t i = 0, e = out.size(); i != e; ++i) {
    uint16_t half;
    std::memcpy(&half, source + i * 2, 2);
    uint32_t bits = isF16 ? widenF16(half) : uint32_t(half) << 16;
    std::memcpy(&out[i], &bits, 4);
  }
}

/// Whether an element of unsigned type T has all bits of `exponentMask`.
template <typename T>
static bool anyWithExponent(ArrayRef<char> data, T exponentMask) {
  // Blocks without a branch inside, which the compiler vectorises.
  constexpr size_t block = 4096;
  size_t count = data.size() / sizeof(T);
  for (size_t start = 0; start < count; start += block) {
    const char *source = data.data() + start * sizeof(T);
    T found = 0;
    for (size_t i = 0, e = std::min(block, count - start); i != e; ++i) {
      T bits;
      std::memcpy(&bits, source + i * sizeof(T), sizeof(T));
      found |= static_cast<T>((bits & exponentMask) == exponentMask);
    }
    if (found)
      return true;
  }
  return false;
}

bool WeightStore::hasNonFinite(const TensorInfo &tensor) {
  switch (tensor.dtype) {
  case TensorInfo::DType::F32:
    return anyWithExponent<uint32_t>(tensor.data, 0x7f800000);
  case TensorInfo::DType::F16:
    return anyWithExponent<uint16_t>(tensor.data, 0x7c00);
  case TensorInfo::DType::BF16:
    return anyWithExponent<uint16_t>(tensor.data, 0x7f80);
  case TensorInfo::DType::Other:
    return false;
  }
  llvm_unreachable("all types are handled");
}
