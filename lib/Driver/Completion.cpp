//===- Completion.cpp - Scripts that complete moe-compile's command lines -===//
//
// MLIR's own options are left out: there are many, and few want them.
//
//===----------------------------------------------------------------------===//

#include "moe/Driver/CommandLine.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::moe;

/// What a value is completed to.
static SmallVector<StringRef> suffixesOf(StringRef files) {
  SmallVector<StringRef> suffixes;
  files.split(suffixes, ' ', -1, /*KeepEmpty=*/false);
  return suffixes;
}

static std::string namesOf(const OptionInfo &info) {
  std::string names;
  for (const OptionChoice &choice : info.choices())
    names += (names.empty() ? "" : " ") + choice.name;
  return names;
}

/// The options that scripts complete.
static SmallVector<const OptionInfo *> completed() {
  SmallVector<const OptionInfo *> options;
  for (const OptionInfo &info : optionTable())
    if (info.id != Opt::MLIR)
      options.push_back(&info);
  return options;
}

/// `text` with a backslash before each of `special`.
static std::string withBackslashes(StringRef text, StringRef special) {
  std::string result;
  for (char c : text) {
    if (special.contains(c))
      result += '\\';
    result += c;
  }
  return result;
}

//===----------------------------------------------------------------------===//
// bash
//===----------------------------------------------------------------------===//

static constexpr StringLiteral kBashStart = R"(# bash completion for moe-compile
# Made by: moe-compile --completion=bash

# Files and folders that begin with $1; files with one of the other arguments as
# suffix, or all if the first of them is *.
_moe_compile_files() {
  local start=$1 suffix
  shift
  compgen -d -- "$start"
  for suffix in "$@"; do
    if [[ $suffix == '*' ]]; then
      compgen -f -- "$start"
    else
      compgen -f -X "!*.$suffix" -- "$start"
      compgen -f -X "!*.${suffix^^}" -- "$start"
    fi
  done
}

_moe_compile() {
  # Words as the shell separates them. Readline also breaks them at = and :, and
  # replaces only what is behind these.
  local line=${COMP_LINE:0:COMP_POINT} words=() cur='' option='' head='' value
  # shellcheck disable=SC2162 # a space after a backslash separates no words
  read -a words <<<"$line"
  local last=$((${#words[@]} - 1)) i
  if [[ $line != *[[:space:]] ]]; then
    cur=${words[last]}
    last=$((last - 1))
  fi
  value=$cur
  if [[ $cur == --*=* ]]; then
    option=${cur%%=*} head=${cur%%=*}= value=${cur#*=}
  elif [[ $cur != -* ]]; then
    # Up to the next option, all words are files of a list.
    for ((i = last; i > 0; --i)); do
      case ${words[i]} in
)";

static constexpr StringLiteral kBashEnd = R"(  esac

  local breaks=${COMP_WORDBREAKS//[^=:]/} kept=''
  if [[ $breaks && $cur == *[$breaks]* ]]; then
    kept=${cur%"${cur##*["$breaks"]}"}
  fi
  COMPREPLY=()
  for ((i = 0; i < ${#found[@]}; ++i)); do
    cur=$head${found[i]}
    COMPREPLY+=("${cur#"$kept"}")
  done
  # More follows after these.
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=:] ]]; then
    compopt -o nospace 2>/dev/null
  fi
}

complete -F _moe_compile moe-compile
)";

/// Completes $value to files.
static void printBashFiles(StringRef files, raw_ostream &os) {
  os << "      compopt -o filenames 2>/dev/null\n"
     << "      mapfile -t found < <(_moe_compile_files \"$value\"";
  for (StringRef suffix : suffixesOf(files))
    os << ' ' << (suffix == "*" ? "'*'" : suffix);
  os << ")\n";
}

static void printBashValues(const OptionInfo &info, raw_ostream &os) {
  os << "    " << info.spelled() << ")\n";
  if (!info.choices) {
    printBashFiles(info.files, os);
  } else if (info.form == OptionForm::Commas) {
    os << "      head+=${value%\"${value##*,}\"}\n"
       << "      mapfile -t found < <(compgen -W '" << namesOf(info)
       << "' -- \"${value##*,}\")\n";
  } else {
    for (const OptionChoice &choice : info.choices())
      if (StringRef(choice.name).ends_with(":"))
        os << "      if [[ $value == " << choice.name << "* ]]; then\n"
           << "        compopt -o filenames 2>/dev/null\n"
           << "        head+=" << choice.name << " value=${value#"
           << choice.name << "}\n"
           << "        mapfile -t found < <(_moe_compile_files \"$value\")\n"
           << "      else\n  ";
    os << "      mapfile -t found < <(compgen -W '" << namesOf(info)
       << "' -- \"$value\")\n";
    if (StringRef(namesOf(info)).contains(':'))
      os << "      fi\n";
  }
  os << "      ;;\n";
}

static void printBash(raw_ostream &os) {
  std::string lists, singles, names;
  for (const OptionInfo *info : completed()) {
    std::string name = info->spelled();
    names += (names.empty() ? "" : " ") + name;
    if (info->value.empty())
      continue;
    if (info->form == OptionForm::Files) {
      lists += (lists.empty() ? "" : " | ") + name;
      continue;
    }
    singles += (singles.empty() ? "" : " | ") + name;
    if (info->name.size() > 1)
      names += "=";
  }
  os << kBashStart;
  os << "        " << lists << ")\n          option=${words[i]}\n"
     << "          break\n          ;;\n"
     << "        " << singles << ")\n"
     << "          ((i < last)) || option=${words[i]}\n"
     << "          break\n          ;;\n"
     << "        -*)\n          break\n          ;;\n"
     << "      esac\n    done\n  fi\n\n";
  os << "  local found=()\n"
     << "  case $option in\n"
     << "    '')\n"
     << "      if [[ $cur == -* ]]; then\n"
     << "        mapfile -t found < <(compgen -W '" << names
     << "' -- \"$cur\")\n"
     << "      else\n  ";
  std::string files;
  llvm::raw_string_ostream filesOS(files);
  printBashFiles(kSpecFiles, filesOS);
  os << StringRef(files).split('\n').first << "\n  "
     << StringRef(files).split('\n').second << "      fi\n      ;;\n";
  for (const OptionInfo *info : completed())
    if (!info->value.empty())
      printBashValues(*info, os);
  os << kBashEnd;
}

//===----------------------------------------------------------------------===//
// zsh
//===----------------------------------------------------------------------===//

static std::string zshFiles(StringRef files) {
  if (files == "*")
    return "_files";
  // A single one in parentheses would be taken for flags of the pattern.
  std::string any = llvm::join(suffixesOf(files), "|");
  if (StringRef(any).contains('|'))
    any = "(" + any + ")";
  return "_files -g \"*.(#i)" + any + "\"";
}

/// What completes a value of `info`, as an action of _arguments.
static std::string zshAction(const OptionInfo &info) {
  if (!info.choices)
    return zshFiles(info.files);
  if (info.form == OptionForm::Commas)
    return "_sequence compadd - " + namesOf(info);
  std::string names, folders;
  for (const OptionChoice &choice : info.choices()) {
    if (StringRef(choice.name).ends_with(":")) {
      folders = withBackslashes(choice.name, ":");
      continue;
    }
    names += (names.empty() ? "" : " ") + choice.name;
    if (!choice.description.empty())
      names += "\\:\"" + withBackslashes(choice.description, ":()\"`$") + '"';
  }
  if (folders.empty())
    return "((" + names + "))";
  // Another eval, and no descriptions.
  names.clear();
  for (const OptionChoice &choice : info.choices())
    if (!StringRef(choice.name).ends_with(":"))
      names += choice.name + " ";
  return "{if compset -P " + folders + "; then _files -/; else compadd " +
         names + "; compadd -S \"\" " + folders + "; fi}";
}

static void printZsh(raw_ostream &os) {
  os << "#compdef moe-compile\n# Made by: moe-compile --completion=zsh\n\n"
     << "_arguments \\\n";
  for (const OptionInfo *info : completed()) {
    StringRef brief = info->brief;
    std::string text =
        withBackslashes(llvm::join(llvm::split(brief, '\n'), " "), ":[]");
    bool isRepeated = info->form == OptionForm::Repeated;
    std::string spec = (isRepeated ? "*" : "") + info->spelled();
    if (info->form != OptionForm::Files && !info->value.empty() &&
        info->name.size() > 1)
      spec += '=';
    spec += '[' + text + ']';
    if (!info->value.empty()) {
      // Up to the next option, all words are files of a list.
      spec += info->form == OptionForm::Files ? ":*-*:" : ":";
      spec += withBackslashes(info->value, ":[]") + ':' + zshAction(*info);
    }
    // A quote within quotes.
    std::string quoted;
    for (char c : spec)
      quoted += c == '\'' ? "'\\''" : std::string(1, c);
    os << "  '" << quoted << "' \\\n";
  }
  os << "  ':SPEC:" << zshFiles(kSpecFiles) << "'\n";
}

//===----------------------------------------------------------------------===//
// fish
//===----------------------------------------------------------------------===//

static std::string fishQuoted(StringRef text) {
  return "'" + withBackslashes(text, "\\'") + "'";
}

static void printFish(raw_ostream &os) {
  os << "# fish completion for moe-compile\n"
     << "# Made by: moe-compile --completion=fish\n\n"
     << "complete -c moe-compile -f -k -a '(__fish_complete_suffix ."
     << kSpecFiles << ")'\n";
  // Of values it shows all files: what chooses by suffix takes --option= for a
  // part of the name.
  for (const OptionInfo *info : completed()) {
    os << "complete -c moe-compile " << (info->name.size() == 1 ? "-s " : "-l ")
       << info->name;
    if (info->choices) {
      os << " -x -a ";
      if (info->form == OptionForm::Commas) {
        os << fishQuoted("(__fish_append , " + namesOf(*info) + ")");
      } else {
        std::string lines;
        for (const OptionChoice &choice : info->choices())
          lines += " " + fishQuoted(choice.name) + " " +
                   fishQuoted(choice.description);
        os << fishQuoted("(printf \"%s\\t%s\\n\"" + lines + ")");
      }
    } else if (!info->value.empty()) {
      os << " -r -F";
    }
    StringRef brief = info->brief;
    os << " -d " << fishQuoted(llvm::join(llvm::split(brief, '\n'), " "))
       << '\n';
  }
}

bool mlir::moe::printCompletion(StringRef shell, raw_ostream &os) {
  if (shell == "bash")
    printBash(os);
  else if (shell == "zsh")
    printZsh(os);
  else if (shell == "fish")
    printFish(os);
  else
    return false;
  return true;
}
