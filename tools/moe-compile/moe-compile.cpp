//===- moe-compile.cpp - From a specification to a binary -----------------===//

#include "moe/Driver/Compiler.h"

int main(int argc, char **argv) { return mlir::moe::compileMain(argc, argv); }
