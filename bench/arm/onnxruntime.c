//===- onnxruntime.c - Runs an ONNX model -------------------------*- C -*-===//
//
//   onnxruntime MODEL.onnx IMAGE.npy RUNS
//
// With onnxruntime's C library, one thread, all optimisations: prints the
// logits of the last run. The library comes without its header, so what is
// needed of it is declared here. Its functions are in one table, OrtApi; the
// header promises that those of version 1, up to index 101, never change their
// places.
//
// The library writes a database below $HOME: set that to a temporary folder.
//
//===----------------------------------------------------------------------===//

#include "npy.h"

/// The places in OrtApi.
enum {
  GetErrorMessage = 2,
  CreateEnv = 3,
  DisableTelemetryEvents = 6,
  CreateSession = 7,
  Run = 9,
  CreateSessionOptions = 10,
  SetSessionExecutionMode = 13,
  SetSessionGraphOptimizationLevel = 23,
  SetIntraOpNumThreads = 24,
  SetInterOpNumThreads = 25,
  CreateTensorWithDataAsOrtValue = 49,
  GetTensorMutableData = 51,
  GetTensorShapeElementCount = 64,
  GetTensorTypeAndShape = 65,
  CreateCpuMemoryInfo = 69,
  ReleaseValue = 96,
};

/// Values of its enumerations.
enum {
  ORT_LOGGING_LEVEL_ERROR = 3,
  ORT_SEQUENTIAL = 0,
  ORT_ENABLE_ALL = 99,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT = 1,
  OrtDeviceAllocator = 0,
  OrtMemTypeDefault = 0,
};

/// Its objects: pointers to what only the library knows.
typedef struct OrtObject *Object;

struct OrtApiBase {
  void *const *(*GetApi)(uint32_t Version);
  const char *(*GetVersionString)(void);
};
const struct OrtApiBase *OrtGetApiBase(void);

static void *const *Api;

/// Null is success, anything else has a message.
static void check(Object Status, const char *What) {
  if (Status)
    fail(What, ((const char *(*)(Object))Api[GetErrorMessage])(Status));
}

/// Calls a function of the table: CALL(name, (its parameters' types), ...).
#define CALL(Function, Types, ...)                                             \
  check(((Object(*) Types)Api[Function])(__VA_ARGS__), #Function)

static Object openSession(const char *Path) {
  Object Env, Options, Session;
  CALL(CreateEnv, (int, const char *, Object *), ORT_LOGGING_LEVEL_ERROR,
       "bench", &Env);
  CALL(DisableTelemetryEvents, (Object), Env);
  CALL(CreateSessionOptions, (Object *), &Options);
  CALL(SetSessionExecutionMode, (Object, int), Options, ORT_SEQUENTIAL);
  CALL(SetSessionGraphOptimizationLevel, (Object, int), Options,
       ORT_ENABLE_ALL);
  CALL(SetIntraOpNumThreads, (Object, int), Options, 1);
  CALL(SetInterOpNumThreads, (Object, int), Options, 1);
  CALL(CreateSession, (Object, const char *, Object, Object *), Env, Path,
       Options, &Session);
  return Session;
}

static Object makeInput(struct Tensor *Image) {
  Object Memory, Input;
  CALL(CreateCpuMemoryInfo, (int, int, Object *), OrtDeviceAllocator,
       OrtMemTypeDefault, &Memory);
  CALL(CreateTensorWithDataAsOrtValue,
       (Object, void *, size_t, const int64_t *, size_t, int, Object *), Memory,
       Image->Data, Image->Count * sizeof(float), Image->Shape,
       (size_t)Image->Rank, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &Input);
  return Input;
}

static void runSession(Object Session, Object Input, Object *Output) {
  static const char *const Inputs[] = {"image"}, *const Outputs[] = {"logits"};
  CALL(Run,
       (Object, Object, const char *const *, Object const *, size_t,
        const char *const *, size_t, Object *),
       Session, NULL, Inputs, &Input, 1, Outputs, 1, Output);
}

int main(int Argc, char **Argv) {
  if (Argc != 4)
    fail("usage", "onnxruntime MODEL.onnx IMAGE.npy RUNS");
  Api = OrtGetApiBase()->GetApi(1);
  if (!Api)
    fail("onnxruntime", "no version 1 of its interface");
  struct Tensor Image = readNpy(Argv[2]);
  Object Session = openSession(Argv[1]);
  Object Input = makeInput(&Image), Output = NULL;
  for (int I = parseRuns(Argv[3]); I > 0; --I) {
    if (Output)
      ((void (*)(Object))Api[ReleaseValue])(Output);
    Output = NULL;
    runSession(Session, Input, &Output);
  }
  Object Shape;
  size_t Count;
  float *Logits;
  CALL(GetTensorTypeAndShape, (Object, Object *), Output, &Shape);
  CALL(GetTensorShapeElementCount, (Object, size_t *), Shape, &Count);
  CALL(GetTensorMutableData, (Object, float **), Output, &Logits);
  printLogits(Logits, Count);
}
