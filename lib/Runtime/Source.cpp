//===- Source.cpp - The inputs of the command line ------------------------===//

#include "Source.h"

#include "Image.h"
#include "Preprocess.h"

#include <algorithm>
#include <cstring>
#include <unistd.h>

using namespace moe::runtime;

static bool openReader(const MoeModel &Model, const char *Path,
                       NpyReader &Reader, Message &Error) {
  return Reader.open(Path, Model.channels, Model.height, Model.width, Error);
}

bool Source::openTensors(Message &Error) {
  if (State == Closed)
    State = openReader(Model, Inputs[Current].Path, Reader, OpenError) ? Open
                                                                       : Broken;
  if (State == Broken)
    Error = OpenError;
  return State == Open;
}

void Source::advance() {
  Reader.close();
  State = Closed;
  Row = 0;
  ++Current;
}

Source::Kind Source::next(Sample &Into, Message &Error) {
  for (; Current < Inputs.size(); advance()) {
    const char *Path = Inputs[Current].Path;
    snprintf(Into.Name.data(), Into.Name.size(), "%s", Path);
    if (!Inputs[Current].IsTensor) {
      ++Current;
      return Kind::Image;
    }
    if (!openTensors(Error)) {
      advance();
      return Kind::Failed;
    }
    if (Row == Reader.batch())
      continue;
    snprintf(Into.Name.data(), Into.Name.size(), "%s[%lld]", Path,
             static_cast<long long>(Row++));
    if (Reader.readNext(Into.Input.data(), Error))
      return Kind::Tensor;
    // What follows a part that cannot be read cannot be read either.
    advance();
    return Kind::Failed;
  }
  return Kind::End;
}

bool Source::mayWait() {
  if (State == Open)
    return Row < Reader.batch() && Reader.mayWait();
  return Current < Inputs.size() && strcmp(Inputs[Current].Path, "-") == 0 &&
         moe::runtime::mayWait(STDIN_FILENO);
}

bool Source::isSingle() {
  if (Inputs.size() != 1 || !Inputs[0].IsTensor)
    return Inputs.size() <= 1;
  Message Error;
  return !openTensors(Error) || Reader.batch() <= 1;
}

bool Source::has(bool Tensors) const {
  for (const Input &Each : Inputs)
    if (Each.IsTensor == Tensors)
      return true;
  return false;
}

size_t Source::nameCapacity() const {
  size_t Longest = 0;
  for (const Input &Each : Inputs)
    Longest = std::max(Longest, strlen(Each.Path));
  // An index in brackets and a zero.
  return Longest + 32;
}

int64_t Source::count() const {
  int64_t Count = 0;
  for (const Input &Each : Inputs) {
    int64_t Rows = 1;
    if (Each.IsTensor) {
      NpyReader Header;
      Message Error;
      if (isPipe(Each.Path))
        return 0;
      if (openReader(Model, Each.Path, Header, Error))
        Rows = Header.batch();
    }
    if (__builtin_add_overflow(Count, Rows, &Count))
      return 0;
  }
  return Count;
}

bool moe::runtime::readImage(const MoeModel &Model, Sample &Into,
                             Message &Error) {
  Image Picture;
  {
    InputFile File;
    Array<uint8_t> Data;
    if (!File.open(Into.Name.data(), Error) ||
        !File.readAll(Data, MaxImageFileSize, Error) ||
        !decodeImage({Data.data(), Data.size()}, Picture, Error))
      return false;
  }
  return preprocess(Model, Picture, Into.Input.data(), Error);
}
