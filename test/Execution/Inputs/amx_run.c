// Runs a model's AMX variant, also on a CPU that has no AMX (but AVX-512 with
// BF16 and VNNI): the handful of AMX instructions that the compiler makes trap,
// and are done here. Intel's manual, volume 2, says what each does.
//
//   cc -DHEADER='"model.h"' -DMODEL=model -DRUN=model_run_x86_64_v4_amx \
//      amx_run.c model.o
//   a.out INPUTS LOGITS      f32 numbers, image after image

#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include HEADER

#define JOIN2(A, B) A##B
#define JOIN(A, B) JOIN2(A, B)
// Internal to the object: optimisation may have taken its result, always 0.
void RUN(const float *input, float *logits, void *workspace);

static struct {
  uint16_t BytesPerRow;
  uint8_t Rows;
  uint8_t Data[16][64];
} Tiles[8];
static long Count;

static void fail(const char *What, const uint8_t *Code) {
  fprintf(stderr, "%s: %02x %02x %02x %02x %02x %02x\n", What, Code[0], Code[1],
          Code[2], Code[3], Code[4], Code[5]);
  _exit(3);
}

static void loadConfig(const uint8_t *Memory, const uint8_t *Code) {
  if (Memory[0] != 1)
    fail("palette", Code);
  memset(Tiles, 0, sizeof(Tiles));
  for (int T = 0; T < 8; ++T) {
    memcpy(&Tiles[T].BytesPerRow, Memory + 16 + 2 * T, 2);
    Tiles[T].Rows = Memory[48 + T];
    if (Tiles[T].Rows > 16 || Tiles[T].BytesPerRow > 64)
      fail("configuration", Code);
  }
}

static float fromBf16(const uint8_t *Bytes) {
  uint32_t Bits = (uint32_t)(Bytes[0] | Bytes[1] << 8) << 16;
  float Value;
  memcpy(&Value, &Bits, 4);
  return Value;
}

// C += A * B, with 32-bit words of A's row m and B's row k.
static void multiply(int C, int A, int B, int Pp, int IsFloat,
                     const uint8_t *Code) {
  int Words = Tiles[A].BytesPerRow / 4, Columns = Tiles[C].BytesPerRow / 4;
  if (Tiles[A].Rows != Tiles[C].Rows || Words != Tiles[B].Rows ||
      Tiles[B].BytesPerRow != Tiles[C].BytesPerRow || !Words || !Columns)
    fail("shapes", Code);
  for (int M = 0; M < Tiles[C].Rows; ++M)
    for (int K = 0; K < Words; ++K)
      for (int N = 0; N < Columns; ++N) {
        uint8_t *Sum = &Tiles[C].Data[M][4 * N];
        const uint8_t *X = &Tiles[A].Data[M][4 * K];
        const uint8_t *W = &Tiles[B].Data[K][4 * N];
        if (IsFloat) {
          float Value;
          memcpy(&Value, Sum, 4);
          Value += fromBf16(X) * fromBf16(W);
          Value += fromBf16(X + 2) * fromBf16(W + 2);
          memcpy(Sum, &Value, 4);
          continue;
        }
        int32_t Value;
        memcpy(&Value, Sum, 4);
        // F2: signed, signed; F3: signed, unsigned; 66: unsigned, signed.
        for (int I = 0; I < 4; ++I)
          Value += (Pp == 3 || Pp == 2 ? (int8_t)X[I] : X[I]) *
                   (Pp == 3 || Pp == 1 ? (int8_t)W[I] : W[I]);
        memcpy(Sum, &Value, 4);
      }
  for (int M = Tiles[C].Rows; M < 16; ++M)
    memset(Tiles[C].Data[M], 0, 64);
}

static int64_t registerOf(ucontext_t *Context, int Number) {
  static const int Order[16] = {
      REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
      REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return Context->uc_mcontext.gregs[Order[Number]];
}

static void onIllegal(int Signal, siginfo_t *Info, void *Raw) {
  (void)Signal, (void)Info;
  ucontext_t *Context = Raw;
  uint8_t *Code = (uint8_t *)Context->uc_mcontext.gregs[REG_RIP];
  // VEX in three bytes: C4, inverted R X B and the map, W vvvv L pp.
  if (Code[0] != 0xc4 || (Code[1] & 0x1f) != 2)
    fail("not AMX", Code);
  int R = !(Code[1] & 0x80) << 3, X = !(Code[1] & 0x40) << 3,
      B = !(Code[1] & 0x20) << 3;
  int Vvvv = ~Code[2] >> 3 & 15, Pp = Code[2] & 3, Opcode = Code[3];
  int Modrm = Code[4], Mod = Modrm >> 6, Reg = (Modrm >> 3 & 7) | R,
      Rm = Modrm & 7;
  const uint8_t *Next = Code + 5;
  uint8_t *Address = NULL;
  int64_t Stride = 0;
  if (Mod != 3) {
    int Base = Rm | B;
    int64_t Sum = 0;
    int HasBase = 1;
    if (Rm == 4) {
      int Sib = *Next++, Index = (Sib >> 3 & 7) | X;
      Base = (Sib & 7) | B;
      HasBase = !((Sib & 7) == 5 && Mod == 0);
      if (Index != 4)
        Stride = registerOf(Context, Index) << (Sib >> 6);
    } else if (Rm == 5 && Mod == 0) {
      int32_t Offset;
      memcpy(&Offset, Next, 4);
      Next += 4;
      Sum = (int64_t)(Next + Offset);
      HasBase = 0;
    }
    if (HasBase)
      Sum = registerOf(Context, Base);
    if (Mod == 1) {
      Sum += *(const int8_t *)Next++;
    } else if (Mod == 2 || (Rm == 4 && !HasBase)) {
      int32_t Offset;
      memcpy(&Offset, Next, 4);
      Next += 4;
      Sum += Offset;
    }
    Address = (uint8_t *)Sum;
  }

  if (Opcode == 0x49 && Mod == 3 && Pp == 3) {
    memset(Tiles[Reg].Data, 0, sizeof(Tiles[Reg].Data));
  } else if (Opcode == 0x49 && Mod == 3 && Pp == 0) {
    memset(Tiles, 0, sizeof(Tiles));
  } else if (Opcode == 0x49 && Pp == 0) {
    loadConfig(Address, Code);
  } else if (Opcode == 0x4b && (Pp == 3 || Pp == 1)) {
    memset(Tiles[Reg].Data, 0, sizeof(Tiles[Reg].Data));
    for (int M = 0; M < Tiles[Reg].Rows; ++M)
      memcpy(Tiles[Reg].Data[M], Address + M * Stride, Tiles[Reg].BytesPerRow);
  } else if (Opcode == 0x4b && Pp == 2) {
    for (int M = 0; M < Tiles[Reg].Rows; ++M)
      memcpy(Address + M * Stride, Tiles[Reg].Data[M], Tiles[Reg].BytesPerRow);
  } else if (Opcode == 0x5c && Pp == 2 && Mod == 3) {
    multiply(Reg, Rm, Vvvv, Pp, 1, Code);
  } else if (Opcode == 0x5e && Mod == 3) {
    multiply(Reg, Rm, Vvvv, Pp, 0, Code);
  } else {
    fail("unknown instruction", Code);
  }
  ++Count;
  Context->uc_mcontext.gregs[REG_RIP] = (int64_t)Next;
}

int main(int Argc, char **Argv) {
  if (Argc != 3)
    return 2;
  // Where there is AMX, it runs: without this permission, only what touches the
  // tiles would trap, but not their configuration.
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  int IsNative =
      syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
  struct sigaction Action;
  memset(&Action, 0, sizeof(Action));
  Action.sa_sigaction = onIllegal;
  Action.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &Action, NULL);

  size_t Pixels = (size_t)JOIN(MODEL, _CHANNELS) * JOIN(MODEL, _HEIGHT) *
                  JOIN(MODEL, _WIDTH);
  float *Input = malloc(Pixels * sizeof(float));
  float *Logits = malloc(JOIN(MODEL, _CLASSES) * sizeof(float));
  void *Workspace =
      aligned_alloc(64, (JOIN(MODEL, _workspace_size)() + 63) / 64 * 64);
  FILE *In = fopen(Argv[1], "rb"), *Out = fopen(Argv[2], "wb");
  if (!Input || !Logits || !Workspace || !In || !Out)
    return 1;
  while (fread(Input, sizeof(float), Pixels, In) == Pixels) {
    RUN(Input, Logits, Workspace);
    fwrite(Logits, sizeof(float), JOIN(MODEL, _CLASSES), Out);
  }
  if (IsNative)
    puts("by the CPU itself");
  else
    printf("%ld AMX instructions\n", Count);
  return fclose(Out) ? 1 : 0;
}
