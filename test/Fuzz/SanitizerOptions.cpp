//===- SanitizerOptions.cpp - How the fuzzers' sanitizers are set ---------===//
//
// libLLVM and libMLIR are not instrumented. Memory that one side marks as
// beyond an object's end, and the other takes into use without saying so, would
// be reported: LLVM's bump allocators do that by hand, containers of the C++
// library where it is built so.
//
// LeakSanitizer needs ptrace, which containers often forbid, and then it may
// hang. A leak shows in the limit of the fuzzers' memory.
//
//===----------------------------------------------------------------------===//

extern "C" const char *__asan_default_options();
extern "C" const char *__asan_default_options() {
  return "allow_user_poisoning=0:detect_container_overflow=0:"
         "allocator_may_return_null=1:detect_leaks=0";
}

extern "C" const char *__ubsan_default_options();
extern "C" const char *__ubsan_default_options() {
  return "print_stacktrace=1";
}
