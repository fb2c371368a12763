//===- Report.cpp - Printing answers --------------------------------------===//

#include "Report.h"

#include "Exp.h"
#include "Text.h"

#include <algorithm>

using namespace moe::runtime;

bool Reporter::allocate(Message &Error) {
  return (Ranking.allocate(Model.classes) &&
          Probabilities.allocate(Model.classes)) ||
         Error.outOfMemory();
}

/// Stable: the largest logit is subtracted first. One that is NaN makes all
/// probabilities NaN.
static void softmax(const Array<float> &Logits, float Largest,
                    Array<float> &Probabilities) {
  double Sum = 0;
  for (float Logit : Logits)
    Sum += expOfNegative(static_cast<double>(Logit) - Largest);
  for (size_t I = 0; I < Logits.size(); ++I)
    Probabilities[I] = static_cast<float>(
        expOfNegative(static_cast<double>(Logits[I]) - Largest) / Sum);
}

void Reporter::rank(const Array<float> &Logits) {
  for (size_t I = 0; I < Ranking.size(); ++I)
    Ranking[I] = I;
  std::partial_sort(Ranking.begin(), Ranking.begin() + NumShown, Ranking.end(),
                    [&](int64_t A, int64_t B) {
                      bool IsNanA = __builtin_isnan(Logits[A]);
                      bool IsNanB = __builtin_isnan(Logits[B]);
                      if (IsNanA != IsNanB)
                        return IsNanB;
                      if (!IsNanA && Logits[A] != Logits[B])
                        return Logits[A] > Logits[B];
                      return A < B;
                    });
}

void Reporter::writeJson(const Sample &Answer) {
  fputs("{\"input\": ", stdout);
  writeJsonString(stdout, Answer.Name.data());
  fputs(", \"top\": [", stdout);
  for (int64_t I = 0; I < NumShown; ++I) {
    int64_t Class = Ranking[I];
    printf("%s{\"class\": %lld, \"label\": ", I ? ", " : "",
           static_cast<long long>(Class));
    if (const char *Label = label(Class))
      writeJsonString(stdout, Label);
    else
      fputs("null", stdout);
    fputs(", \"probability\": ", stdout);
    writeJsonFloat(stdout, Probabilities[Class]);
    fputc('}', stdout);
  }
  fputs("], \"experts\": [", stdout);
  const char *Separator = "";
  for (const MoeRoute &Route : Answer.Routes) {
    if (Route.tokens == 0)
      continue;
    printf("%s{\"layer\": %d, \"expert\": %d, \"gate\": ", Separator,
           Route.layer, Route.expert);
    writeJsonFloat(stdout, Route.gate);
    if (Model.per_patch)
      printf(", \"tokens\": %d", Route.tokens);
    fputc('}', stdout);
    Separator = ", ";
  }
  fputs("], \"milliseconds\": ", stdout);
  writeJsonFloat(stdout, Answer.Milliseconds);
  fputs("}\n", stdout);
}

void Reporter::writeText(const Sample &Answer) {
  writePlain(stdout, Answer.Name.data());
  printf(": %.3f ms\n", Answer.Milliseconds);
  if (Model.features)
    printf("  %lld features%s\n", static_cast<long long>(Model.classes),
           HasLogitsFile ? "" : " (--logits FILE.npy writes them)");
  for (int64_t I = 0; I < NumShown; ++I) {
    int64_t Class = Ranking[I];
    printf("  %6.2f%%  ", Probabilities[Class] * 100.0);
    if (const char *Label = label(Class)) {
      writePlain(stdout, Label);
      printf(" (%lld)\n", static_cast<long long>(Class));
    } else {
      printf("class %lld\n", static_cast<long long>(Class));
    }
  }
  // One line per block: "experts of block 9: 3 (0.52), 1 (0.31)".
  bool HasLine = false;
  int32_t Layer = 0;
  for (const MoeRoute &Route : Answer.Routes) {
    if (Route.tokens == 0)
      continue;
    if (HasLine && Route.layer == Layer) {
      fputs(", ", stdout);
    } else {
      printf("%s  experts of block %d: ", HasLine ? "\n" : "", Route.layer);
      HasLine = true;
      Layer = Route.layer;
    }
    printf("%d (gate %.3f", Route.expert, Route.gate);
    if (Model.per_patch)
      printf(", %d tokens", Route.tokens);
    fputc(')', stdout);
  }
  if (HasLine)
    fputc('\n', stdout);
}

void Reporter::report(const Sample &Answer) {
  if (!Model.features) {
    const Array<float> &Logits = Answer.Logits;
    float Largest = -__builtin_inff();
    for (float Logit : Logits)
      Largest = Logit > Largest ? Logit : Largest;
    softmax(Logits, Largest, Probabilities);
    rank(Logits);
  }
  if (IsJson)
    writeJson(Answer);
  else
    writeText(Answer);
}

void moe::runtime::writeInfo(const MoeModel &Model, const MoeVariant &Variant) {
  auto writeString = [](const char *Key, const char *Value) {
    printf("\"%s\": ", Key);
    writeJsonString(stdout, Value);
    fputs(", ", stdout);
  };
  fputc('{', stdout);
  writeString("name", Model.name);
  writeString("target", Model.target);
  fputs("\"cpu_variants\": [", stdout);
  for (int64_t I = 0; I < Model.num_variants; ++I) {
    fputs(I ? ", " : "", stdout);
    writeJsonString(stdout, Model.variants[I].name);
  }
  fputs("], ", stdout);
  writeString("cpu_variant", Variant.name);
  writeString("precision", Model.precision);
  writeString("output", Model.features ? "features" : "logits");
  printf("\"outputs\": %lld, ", static_cast<long long>(Model.classes));
  printf("\"parameters\": %lld, \"active_parameters\": %lld, "
         "\"multiply_adds\": %lld, \"weight_bytes\": %lld, "
         "\"workspace_bytes\": %lld}\n",
         static_cast<long long>(Model.parameters),
         static_cast<long long>(Model.active_parameters),
         static_cast<long long>(Model.multiply_adds),
         static_cast<long long>(Model.weight_bytes),
         static_cast<long long>(Model.workspace_bytes));
}
