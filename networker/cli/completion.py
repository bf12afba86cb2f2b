# SPDX-License-Identifier: Apache-2.0
"""``networker complete --shell zsh|fish``: what cliff has for bash."""

from __future__ import annotations

from collections.abc import Sequence

from cliff.complete import CompleteShellBase

_ZSH_WALK = """\
  )
  local command= proposed word
  for word in ${words[2,CURRENT-1]}; do
    proposed=${command:+${command}_}$word
    if (( ${+known[$proposed]} )); then
      command=$proposed
    elif [[ -n $command ]]; then
      break
    fi
  done
  local -a offered
  offered=(${=known[${command:-/}]})
  if [[ $offered[1] == -* && $words[CURRENT] != -* ]]; then
    _files
  else
    compadd -- $offered
  fi
}
"""
_FISH_WALK = """\
    end
end
function __@_complete
    set -l command
    set -l words (commandline -opc)
    for word in $words[2..-1]
        set -l proposed (string join -- _ $command $word)
        if string length -q -- (__@_known $proposed)
            set command $proposed
        else if set -q command[1]
            break
        end
    end
    set -q command[1]; or set command /
    set -l offered (string split ' ' -- (__@_known $command))
    if string match -q -- '-*' $offered[1]; and not string match -q -- '-*' (commandline -ct)
        __fish_complete_path (commandline -ct)
    else
        string join \\n -- $offered
    end
end
"""


class _Script(CompleteShellBase):
    """A script that looks up what may follow the commands that were typed."""

    def get_header(self) -> str:
        """Return what is before the data; all is in :meth:`write`."""
        return ""

    def get_trailer(self) -> str:
        """Return what is after the data; all is in :meth:`write`."""
        return ""


class Zsh(_Script):
    """Completion for zsh, as a file in its fpath, or evaluated."""

    def write(self, cmdo: str, data: Sequence[tuple[str, str]]) -> None:
        """Write the script.

        :param cmdo: the first words of all commands
        :param data: by the words of a command, joined by ``_``, what may follow
        """
        name = self.escaped_name
        lines = [
            f"#compdef {self.name}",
            f"_{name}() {{",
            "  local -A known",
            "  known=(",
        ]
        lines += [f"    '{key}' '{value}'" for key, value in [("/", cmdo), *data]]
        self.output.write("\n".join(lines) + "\n" + _ZSH_WALK)
        self.output.write(
            f'if [[ $funcstack[1] == _{name} ]]; then\n  _{name} "$@"\n'
            f"else\n  compdef _{name} {self.name}\nfi\n"
        )


class Fish(_Script):
    """Completion for fish."""

    def write(self, cmdo: str, data: Sequence[tuple[str, str]]) -> None:
        """Write the script; see :meth:`Zsh.write`."""
        name = self.escaped_name
        lines = [f"function __{name}_known", "    switch $argv[1]"]
        for key, value in [("/", cmdo), *data]:
            lines += [f"        case '{key}'", f"            echo '{value}'"]
        self.output.write("\n".join(lines) + "\n" + _FISH_WALK.replace("@", name))
        self.output.write(f"complete -c {self.name} -f -a '(__{name}_complete)'\n")
