//===- Answers.cpp - What becomes of the answers --------------------------===//

#include "Answers.h"

#include "Text.h"

using namespace moe::runtime;

bool Answers::open() {
  Message Error;
  if (!Results.allocate(Error) || !NanRow.allocate(Model.classes)) {
    reportError(Model.name, "out of memory");
    return false;
  }
  for (float &Value : NanRow)
    Value = __builtin_nanf("");
  if (LogitsPath && !Logits.open(LogitsPath, Model.classes, Error)) {
    reportError(LogitsPath, Error.text());
    return false;
  }
  return true;
}

void Answers::add(const Sample &Answer) {
  Results.report(Answer);
  // What is answered is visible before the next input is read.
  fflush(stdout);
  if (LogitsPath)
    Logits.writeRow(Answer.Logits.data());
  Bar.update(++NumAnswers, NumFailed);
}

void Answers::fail(const char *Name, const Message &Error) {
  Bar.erase();
  reportError(Name, Error.text());
  if (LogitsPath)
    Logits.writeRow(NanRow.data());
  Bar.update(++NumAnswers, ++NumFailed);
}

bool Answers::close() {
  Message Error;
  Bar.erase();
  if (!LogitsPath || Logits.commit(Error))
    return true;
  reportError(LogitsPath, Error.text());
  return false;
}
