//===- ExpertFiles.cpp - Experts in files of their own --------------------===//

#include "ExpertFiles.h"

#include "File.h"
#include "WeightPages.h"

#include <cerrno>
#include <climits>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

using namespace moe::runtime;

ExpertFiles::ExpertFiles(const MoeModel &Model) : Model(Model) {
  pthread_mutex_init(&Mutex, nullptr);
}

ExpertFiles::~ExpertFiles() {
  for (size_t I = 0; I < Loaded.size(); ++I)
    if (Loaded[I])
      munmap(const_cast<char *>(Loaded[I]), Model.expert_files[I].bytes);
  pthread_mutex_destroy(&Mutex);
}

bool ExpertFiles::setFolder(const char *Path, Message &Error) {
  char Own[PATH_MAX] = "";
  if (!Path) {
    Path = Model.experts_folder;
    if (Path[0] != '/') {
      ssize_t Length = readlink("/proc/self/exe", Own, sizeof Own - 1);
      if (Length < 0)
        return Error.set("cannot find the executable's folder: %s; "
                         "--experts=file:DIR names that of the experts",
                         strerror(errno));
      // The path is absolute, so that there is a slash.
      Own[Length] = '\0';
      strrchr(Own, '/')[1] = '\0';
    }
  }
  size_t Capacity = strlen(Own) + strlen(Path) + 2;
  if (!Folder.allocate(Capacity) || !Loaded.allocate(Model.num_experts))
    return Error.outOfMemory();
  bool HasSlash = *Path && Path[strlen(Path) - 1] == '/';
  snprintf(Folder.data(), Capacity, "%s%s%s", Own, Path, HasSlash ? "" : "/");
  for (const char *&Each : Loaded)
    Each = nullptr;
  return true;
}

bool ExpertFiles::loadAll(Message &Error) {
  for (size_t I = 0; I < Loaded.size(); ++I)
    if (!find(I, Error))
      return false;
  return true;
}

const void *ExpertFiles::find(size_t Index, Message &Error) {
  const char *Found = __atomic_load_n(&Loaded[Index], __ATOMIC_ACQUIRE);
  if (Found)
    return Found;
  pthread_mutex_lock(&Mutex);
  Found = Loaded[Index];
  if (!Found) {
    Found = load(Model.expert_files[Index], Error);
    __atomic_store_n(&Loaded[Index], Found, __ATOMIC_RELEASE);
  }
  pthread_mutex_unlock(&Mutex);
  return Found;
}

/// Maps `Path` and checks that it is `Expected`; null with an error.
static const char *mapExpert(const char *Path, const MoeExpertFile &Expected,
                             Message &Error) {
  InputFile File;
  if (!File.open(Path, Error))
    return nullptr;
  if (File.size() < 0) {
    Error.set("not a regular file");
    return nullptr;
  }
  // The header before the size: it tells another file from one cut short.
  MoeExpertHeader Header;
  size_t Got;
  if (!File.read(&Header, sizeof Header, Got, Error))
    return nullptr;
  if (Got >= sizeof Header.magic &&
      memcmp(Header.magic, MOE_EXPERT_MAGIC, sizeof Header.magic) != 0) {
    Error.set("not an expert file: expected it to start with '%s'",
              MOE_EXPERT_MAGIC);
    return nullptr;
  }
  if (Got == sizeof Header && Header.id != Expected.id) {
    Error.set("is of another model or version: expected id %016llx, found "
              "%016llx",
              static_cast<unsigned long long>(Expected.id),
              static_cast<unsigned long long>(Header.id));
    return nullptr;
  }
  if (File.size() != Expected.bytes || Header.bytes != Expected.bytes) {
    Error.set("%s: expected %lld bytes, found %lld",
              File.size() < Expected.bytes ? "truncated" : "wrong size",
              static_cast<long long>(Expected.bytes),
              static_cast<long long>(File.size()));
    return nullptr;
  }
  const char *Begin = File.map(Error);
  // All of it is read now, so in one go; and what cannot be read is an error
  // here, not a signal later.
  if (Begin && !populate(Begin, Begin + Expected.bytes)) {
    Error.set("cannot read: %s", strerror(errno));
    munmap(const_cast<char *>(Begin), Expected.bytes);
    return nullptr;
  }
  return Begin;
}

const char *ExpertFiles::load(const MoeExpertFile &File, Message &Error) {
  Array<char> Path;
  size_t Capacity = strlen(Folder.data()) + strlen(File.name) + 1;
  if (!Path.allocate(Capacity)) {
    Error.outOfMemory();
    return nullptr;
  }
  snprintf(Path.data(), Capacity, "%s%s", Folder.data(), File.name);
  Message Cause;
  const char *Begin = mapExpert(Path.data(), File, Cause);
  if (!Begin) {
    // Of a long path, the end: the message has room for the cause, too.
    constexpr size_t MaxShown = 250;
    bool IsLong = Capacity > MaxShown;
    Error.set("expert file %s%s: %s", IsLong ? "..." : "",
              Path.data() + (IsLong ? Capacity - MaxShown : 0), Cause.text());
  }
  return Begin;
}
