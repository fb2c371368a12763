//===- count.c - Counting executed instructions -------------------*- C -*-===//
//
// A plugin of qemu-aarch64 7.2:
//
//   qemu-aarch64 -plugin ./count.so,out=FILE PROGRAM
//
// writes a table to FILE, a line for each translated block that was executed:
// its address, its instructions, how often it was executed, and how many of its
// instructions are vector multiply-adds of each kind. The last line has the
// sums. An address can have several lines, where its block was translated
// again.
//
// qemu adds to the counters without a lock: threads that execute a block at the
// same time lose some. Everything else is safe for several threads.
//
//===----------------------------------------------------------------------===//

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Of qemu-plugin.h, version 1, which Debian's package does not have.
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { QEMU_PLUGIN_INLINE_ADD_U64 = 0 };
void qemu_plugin_register_vcpu_tb_trans_cb(
    qemu_plugin_id_t Id,
    void (*Callback)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *Block,
                                              int Operation, void *Counter,
                                              uint64_t Value);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t Id,
                                    void (*Callback)(qemu_plugin_id_t, void *),
                                    void *Data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *Block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *Block);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *Block, size_t Index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *Instruction);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

enum Kind { FMLA, DOT, MMLA, BFDOT, BFMMLA, MULL, MLAL, NUM_KINDS };
static const char *const KindNames[NUM_KINDS] = {
    "fmla", "dot", "mmla", "bfdot", "bfmmla", "mull", "mlal"};

/// The instructions w with (w & Mask) == Value.
struct Encoding {
  enum Kind Kind;
  uint32_t Mask, Value;
};

// From the Arm Architecture Reference Manual, C4.1, Advanced SIMD. Masks leave
// out Q, the registers, and for elements their index.
static const struct Encoding Encodings[] = {
    {FMLA, 0xbfe0fc00, 0x0e20cc00},   // fmla, f32
    {FMLA, 0xbfc0f400, 0x0f801000},   // fmla, f32, by element
    {DOT, 0xbfe0fc00, 0x0e809400},    // sdot
    {DOT, 0xbfe0fc00, 0x2e809400},    // udot
    {DOT, 0xbfe0fc00, 0x0e809c00},    // usdot
    {DOT, 0xbfc0f400, 0x0f80e000},    // sdot, by element
    {DOT, 0xbfc0f400, 0x2f80e000},    // udot, by element
    {DOT, 0xbfc0f400, 0x0f80f000},    // usdot, by element
    {DOT, 0xbfc0f400, 0x0f00f000},    // sudot, by element
    {MMLA, 0xffe0fc00, 0x4e80a400},   // smmla
    {MMLA, 0xffe0fc00, 0x6e80a400},   // ummla
    {MMLA, 0xffe0fc00, 0x4e80ac00},   // usmmla
    {BFDOT, 0xbfe0fc00, 0x2e40fc00},  // bfdot
    {BFDOT, 0xbfc0f400, 0x0f40f000},  // bfdot, by element
    {BFMMLA, 0xffe0fc00, 0x6e40ec00}, // bfmmla
    {MULL, 0x9f20fc00, 0x0e20c000},   // smull, umull, of all sizes
    {MULL, 0x9f00f400, 0x0f00a000},   // smull, umull, by element
    {MLAL, 0x9f20fc00, 0x0e208000},   // smlal, umlal
    {MLAL, 0x9f00f400, 0x0f002000},   // smlal, umlal, by element
};

struct Block {
  uint64_t Address, Instructions, Executed;
  uint64_t Kinds[NUM_KINDS];
  struct Block *Next;
};

static struct Block *_Atomic Blocks;
static FILE *Output;
static const char *OutputPath;

static void translate(qemu_plugin_id_t Id, struct qemu_plugin_tb *Translated) {
  (void)Id;
  struct Block *Block = calloc(1, sizeof(*Block));
  if (!Block) {
    fprintf(stderr, "count: out of memory\n");
    exit(1);
  }
  Block->Address = qemu_plugin_tb_vaddr(Translated);
  Block->Instructions = qemu_plugin_tb_n_insns(Translated);
  for (size_t I = 0; I < Block->Instructions; ++I) {
    uint32_t Word;
    memcpy(&Word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(Translated, I)),
           sizeof(Word));
    for (size_t E = 0; E < sizeof(Encodings) / sizeof(*Encodings); ++E)
      if ((Word & Encodings[E].Mask) == Encodings[E].Value)
        ++Block->Kinds[Encodings[E].Kind];
  }
  Block->Next = atomic_load(&Blocks);
  while (!atomic_compare_exchange_weak(&Blocks, &Block->Next, Block))
    ;
  qemu_plugin_register_vcpu_tb_exec_inline(
      Translated, QEMU_PLUGIN_INLINE_ADD_U64, &Block->Executed, 1);
}

static void writeTable(qemu_plugin_id_t Id, void *Data) {
  (void)Id;
  (void)Data;
  struct Block Sum = {0};
  fprintf(Output, "address\tinstructions\texecuted");
  for (int K = 0; K < NUM_KINDS; ++K)
    fprintf(Output, "\t%s", KindNames[K]);
  for (struct Block *B = atomic_load(&Blocks); B; B = B->Next) {
    if (!B->Executed)
      continue;
    fprintf(Output, "\n%" PRIx64 "\t%" PRIu64 "\t%" PRIu64, B->Address,
            B->Instructions, B->Executed);
    Sum.Instructions += B->Instructions * B->Executed;
    Sum.Executed += B->Executed;
    for (int K = 0; K < NUM_KINDS; ++K) {
      fprintf(Output, "\t%" PRIu64, B->Kinds[K]);
      Sum.Kinds[K] += B->Kinds[K] * B->Executed;
    }
  }
  fprintf(Output, "\ntotal\t%" PRIu64 "\t%" PRIu64, Sum.Instructions,
          Sum.Executed);
  for (int K = 0; K < NUM_KINDS; ++K)
    fprintf(Output, "\t%" PRIu64, Sum.Kinds[K]);
  fprintf(Output, "\n");
  int Failed = ferror(Output);
  if (fclose(Output) || Failed)
    fprintf(stderr, "count: cannot write %s: %s\n", OutputPath,
            strerror(errno));
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t Id, const void *Info,
                               int NumArguments, char **Arguments) {
  (void)Info;
  // qemu itself takes "file".
  if (NumArguments != 1 || strncmp(Arguments[0], "out=", 4) != 0) {
    fprintf(stderr, "count: usage: -plugin count.so,out=FILE\n");
    return -1;
  }
  // The argument is freed after this.
  OutputPath = strdup(Arguments[0] + 4);
  Output = OutputPath ? fopen(OutputPath, "w") : NULL;
  if (!Output) {
    fprintf(stderr, "count: cannot write %s: %s\n", Arguments[0] + 4,
            strerror(errno));
    return -1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(Id, translate);
  qemu_plugin_register_atexit_cb(Id, writeTable, NULL);
  return 0;
}
