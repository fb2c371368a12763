//===- Npy.cpp - NumPy's array files --------------------------------------===//
//
// Format: numpy.lib.format. "\x93NUMPY", version, length of the header, and the
// header: a Python dictionary with 'descr', 'fortran_order' and 'shape'.
//
//===----------------------------------------------------------------------===//

#include "Npy.h"

#include <cstring>

using namespace moe::runtime;

static constexpr char Magic[] = "\x93NUMPY";
static constexpr size_t MagicLength = sizeof Magic - 1;
static constexpr size_t MaxHeaderLength = 65536;
static constexpr int MaxRank = 32; // NumPy's own limit

//===----------------------------------------------------------------------===//
// The header's dictionary
//===----------------------------------------------------------------------===//

namespace {
/// Characters of the header.
struct Span {
  const char *Data = nullptr;
  int Length = 0;

  bool operator==(const char *Text) const {
    return strlen(Text) == static_cast<size_t>(Length) &&
           memcmp(Data, Text, Length) == 0;
  }
};

/// Parses the dictionary. `Text` ends with a zero, so that looking at the
/// current character is always safe.
class HeaderParser {
public:
  HeaderParser(const char *Text, Message &Error) : At(Text), Error(Error) {}

  bool run();

  int Rank = 0;
  int64_t Shape[MaxRank];
  Span ShapeText; ///< as written, for messages

private:
  bool parseEntry();
  bool parseString(Span &Result);
  bool parseShape();
  void skipSpace() {
    while (*At == ' ' || *At == '\t' || *At == '\n' || *At == '\r')
      ++At;
  }
  bool consume(char C) {
    skipSpace();
    if (*At != C)
      return false;
    ++At;
    return true;
  }
  bool malformed(const char *Expected) {
    return Error.set("malformed .npy header: expected %s, found '%.20s'",
                     Expected, At);
  }
  /// Takes note of a key; false if it was there before.
  bool once(bool &HasKey, const char *Name) {
    if (HasKey)
      return Error.set("malformed .npy header: '%s' is there twice", Name);
    return HasKey = true;
  }

  const char *At;
  Message &Error;
  bool HasType = false, HasOrder = false, HasShape = false;
};
} // namespace

bool HeaderParser::parseString(Span &Result) {
  skipSpace();
  char Quote = *At;
  if (Quote != '\'' && Quote != '"')
    return malformed("a string");
  const char *Start = At + 1;
  const char *End = strchr(Start, Quote);
  if (!End)
    return malformed("a closed string");
  Result = {Start, static_cast<int>(End - Start)};
  At = End + 1;
  return true;
}

bool HeaderParser::parseShape() {
  skipSpace();
  const char *Start = At;
  if (!consume('('))
    return malformed("a tuple as the shape");
  while (!consume(')')) {
    if (Rank == MaxRank)
      return Error.set("malformed .npy header: more than %d dimensions",
                       MaxRank);
    if (*At < '0' || *At > '9')
      return malformed("a dimension that is not negative");
    int64_t Size = 0;
    for (; *At >= '0' && *At <= '9'; ++At)
      if (__builtin_mul_overflow(Size, 10, &Size) ||
          __builtin_add_overflow(Size, *At - '0', &Size))
        return Error.set("malformed .npy header: a dimension exceeds 2^63");
    Shape[Rank++] = Size;
    if (!consume(',')) {
      if (!consume(')'))
        return malformed("',' or ')'");
      break;
    }
  }
  ShapeText = {Start, static_cast<int>(At - Start)};
  return true;
}

bool HeaderParser::parseEntry() {
  Span Key;
  if (!parseString(Key))
    return false;
  if (!consume(':'))
    return malformed("':'");
  skipSpace();
  if (Key == "descr") {
    Span Type;
    if (*At == '[')
      return Error.set("unsupported element type: expected float32 ('<f4'), "
                       "found a structure");
    if (!once(HasType, "descr") || !parseString(Type))
      return false;
    if (!(Type == "<f4"))
      return Error.set("unsupported element type: expected float32 ('<f4'), "
                       "found '%.*s'",
                       Type.Length < 40 ? Type.Length : 40, Type.Data);
    return true;
  }
  if (Key == "fortran_order") {
    if (!once(HasOrder, "fortran_order"))
      return false;
    if (strncmp(At, "True", 4) == 0)
      return Error.set("unsupported order: expected C order, found Fortran "
                       "order");
    if (strncmp(At, "False", 5) != 0)
      return malformed("True or False");
    At += 5;
    return true;
  }
  if (Key == "shape")
    return once(HasShape, "shape") && parseShape();
  return Error.set("malformed .npy header: unknown key '%.*s'",
                   Key.Length < 40 ? Key.Length : 40, Key.Data);
}

bool HeaderParser::run() {
  if (!consume('{'))
    return malformed("'{'");
  while (!consume('}')) {
    if (!parseEntry())
      return false;
    if (!consume(',')) {
      if (!consume('}'))
        return malformed("',' or '}'");
      break;
    }
  }
  skipSpace();
  if (*At != '\0')
    return malformed("the end of the header");
  if (!HasType || !HasOrder || !HasShape)
    return Error.set("malformed .npy header: expected the keys 'descr', "
                     "'fortran_order' and 'shape'");
  return true;
}

//===----------------------------------------------------------------------===//
// NpyReader
//===----------------------------------------------------------------------===//

/// Reads exactly `Count` bytes of the header.
static bool readExactly(InputFile &File, void *Data, size_t Count,
                        Message &Error) {
  size_t Got;
  if (!File.read(Data, Count, Got, Error))
    return false;
  if (Got < Count)
    return Error.set("truncated .npy header: expected %zu bytes more, found "
                     "%zu",
                     Count, Got);
  return true;
}

/// Reads all up to the dictionary's end. `Header` gets the dictionary and a
/// zero, `Offset` the place of the data in the file.
static bool readHeader(InputFile &File, Array<char> &Header, int64_t &Offset,
                       Message &Error) {
  uint8_t Start[MagicLength + 2 + 4];
  size_t Got;
  if (!File.read(Start, MagicLength + 2, Got, Error))
    return false;
  if (Got < MagicLength || memcmp(Start, Magic, MagicLength) != 0)
    return Error.set("not a .npy file: expected it to start with "
                     "'\\x93NUMPY'");
  unsigned Major = Start[MagicLength], Minor = Start[MagicLength + 1];
  if (Got < MagicLength + 2 || Major < 1 || Major > 3 || Minor != 0)
    return Error.set("unsupported .npy version: expected 1.0, 2.0 or 3.0, "
                     "found %u.%u",
                     Major, Minor);

  size_t LengthBytes = Major == 1 ? 2 : 4;
  if (!readExactly(File, Start + MagicLength + 2, LengthBytes, Error))
    return false;
  Bytes View{Start, sizeof Start};
  size_t Length = Major == 1 ? View.little16(MagicLength + 2)
                             : View.little32(MagicLength + 2);
  if (Length > MaxHeaderLength)
    return Error.set("malformed .npy header: expected at most %zu bytes, found "
                     "%zu",
                     MaxHeaderLength, Length);
  if (!Header.allocate(Length + 1))
    return Error.outOfMemory();
  if (!readExactly(File, Header.data(), Length, Error))
    return false;
  if (memchr(Header.data(), '\0', Length))
    return Error.set("malformed .npy header: a zero byte in it");
  Header[Length] = '\0';
  Offset = MagicLength + 2 + LengthBytes + Length;
  return true;
}

bool NpyReader::open(const char *Path, int64_t Channels, int64_t Height,
                     int64_t Width, Message &Error) {
  Array<char> Header;
  int64_t Offset = 0;
  NumRead = 0;
  if (!File.open(Path, Error) || !readHeader(File, Header, Offset, Error))
    return false;
  HeaderParser Parser(Header.data(), Error);
  if (!Parser.run())
    return false;

  const int64_t *Image = Parser.Shape + (Parser.Rank == 4);
  if (Parser.Rank < 3 || Parser.Rank > 4 || Image[0] != Channels ||
      Image[1] != Height || Image[2] != Width)
    return Error.set(
        "wrong shape: expected (%lld, %lld, %lld), with a batch "
        "dimension or not, found %.*s",
        static_cast<long long>(Channels), static_cast<long long>(Height),
        static_cast<long long>(Width),
        Parser.ShapeText.Length < 100 ? Parser.ShapeText.Length : 100,
        Parser.ShapeText.Data);
  Batch = Parser.Rank == 4 ? Parser.Shape[0] : 1;
  // The model's own shape fits: the compiler has checked it.
  ElementsPerImage = Channels * Height * Width;
  int64_t DataSize;
  if (__builtin_mul_overflow(Batch, ElementsPerImage * sizeof(float),
                             &DataSize))
    return Error.set("wrong shape: a batch of %lld images exceeds 2^63 bytes",
                     static_cast<long long>(Batch));
  if (File.size() >= 0 && File.size() - Offset != DataSize)
    return Error.set("wrong size: expected %lld bytes of data, found %lld",
                     static_cast<long long>(DataSize),
                     static_cast<long long>(File.size() - Offset));
  return true;
}

bool NpyReader::readNext(float *Data, Message &Error) {
  size_t Size = ElementsPerImage * sizeof(float);
  size_t Got;
  if (!File.read(Data, Size, Got, Error))
    return false;
  if (Got < Size)
    return Error.set("truncated: expected data for %lld images, found %lld",
                     static_cast<long long>(Batch),
                     static_cast<long long>(NumRead));
  ++NumRead;
  return true;
}

//===----------------------------------------------------------------------===//
// NpyWriter
//===----------------------------------------------------------------------===//

void NpyWriter::writeHeader() {
  // 128 bytes hold the longest shape, so that the header's size is known
  // before the number of rows is.
  char Header[128];
  memset(Header, ' ', sizeof Header);
  memcpy(Header, "\x93NUMPY\1\0", 8);
  Header[8] = sizeof Header - 10;
  Header[9] = 0;
  int Length =
      snprintf(Header + 10, sizeof Header - 10,
               "{'descr': '<f4', 'fortran_order': False, "
               "'shape': (%lld, %lld), }",
               static_cast<long long>(Rows), static_cast<long long>(Columns));
  Header[10 + Length] = ' ';
  Header[sizeof Header - 1] = '\n';
  File.write(Header, sizeof Header);
}

bool NpyWriter::open(const char *Path, int64_t NumColumns, Message &Error) {
  Columns = NumColumns;
  if (!File.open(Path, Error))
    return false;
  writeHeader();
  return true;
}

void NpyWriter::writeRow(const float *Row) {
  File.write(Row, Columns * sizeof(float));
  ++Rows;
}

bool NpyWriter::commit(Message &Error) {
  File.seekToStart();
  writeHeader();
  return File.commit(Error);
}
