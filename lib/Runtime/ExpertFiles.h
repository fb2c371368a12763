//===- ExpertFiles.h - Experts in files of their own ------------*- C++ -*-===//

#ifndef MOE_LIB_RUNTIME_EXPERTFILES_H
#define MOE_LIB_RUNTIME_EXPERTFILES_H

#include "Array.h"
#include "Message.h"
#include "moe/Runtime/Model.h"

#include <pthread.h>

namespace moe {
namespace runtime {

/// The files of a model's experts, each opened when it is first wanted. A file
/// that cannot be used is looked for again the next time.
class ExpertFiles {
public:
  explicit ExpertFiles(const MoeModel &Model);
  ExpertFiles(const ExpertFiles &) = delete;
  ExpertFiles &operator=(const ExpertFiles &) = delete;
  ~ExpertFiles();

  /// Says where they are; null: in the folder that the model names, seen from
  /// the executable's own. Opens nothing yet.
  bool setFolder(const char *Path, Message &Error);

  /// Opens all of them and brings them into memory, up to the first that
  /// cannot be used.
  bool loadAll(Message &Error);

  /// The bytes of the file of expert `Index`, at the start of a page. Null,
  /// with an Error that names the file, if it cannot be used. May be called by
  /// several threads at once.
  const void *find(size_t Index, Message &Error);

private:
  const char *load(const MoeExpertFile &File, Message &Error);

  const MoeModel &Model;
  Array<char> Folder;         ///< with a slash at its end, and a zero
  Array<const char *> Loaded; ///< [num_experts]; null = not yet. Atomic.
  pthread_mutex_t Mutex;      ///< for loading
};

} // namespace runtime
} // namespace moe

#endif // MOE_LIB_RUNTIME_EXPERTFILES_H
