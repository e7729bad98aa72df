"""`boundcalc completion bash|zsh`: a script for the shell's completion of commands, options, parts, bounds and files.

The script is written here rather than by a library: the first word of boundcalc is a command or a file, for which argcomplete
would start Python at every key, and which shtab does not support.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from importlib import import_module

from boundcalc.certificates.pick.plan import AUGMENTATION_NAMES, FEEDS, SCORE_NAMES
from boundcalc.cli import commands
from boundcalc.cli import parser as parsers
from boundcalc.cli.output import write
from boundcalc.cli.train_options import METHODS
from boundcalc.cli.words import Parser
from boundcalc.data.normalizations import NAMED
from boundcalc.figures import pictures
from boundcalc.options import DEVICES
from boundcalc.parts import registry
from boundcalc.tickets.plan import ARCHITECTURES, PRUNERS, SCOPES
from boundcalc.tickets.recipe import LOSSES, OPTIMIZERS, SCHEDULES

SHELLS = ("bash", "zsh")
DATA_FORMS = ("sample", "digits", "mnist:", "cifar10:", "folder:", "parquet:", "npz:")
FORMS_OF_DATA = {"data", "unlabelled"}
"""Options whose values may also be files."""

EPILOG = """\
examples:
  eval "$(boundcalc completion bash)"      in this shell; add the line to ~/.bashrc for all shells
  eval "$(boundcalc completion zsh)"       in ~/.zshrc, after compinit
"""

SCRIPT = """\
_boundcalc_list() {{
  "$1" bounds --format json 2>/dev/null | sed -n 's/^ *"bound": "\\(.*\\)",$/\\1/p' | tr '\\n' ' '
}}
_boundcalc() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}" command=CHECKPOINT words="" before="" files=yes
  local IFS=$' \\t\\n'
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "${{COMP_WORDS[1]}}" in
      {commands}) command="${{COMP_WORDS[1]}}" ;;
    esac
  fi
  COMPREPLY=()
  case "$command $prev" in
{values}
    *)
      case "$command" in
{options}
      esac
      case "$command $cur" in
        "explain "-*|"falsify "-*) ;;
        "explain "*|"falsify "*)
          : "${{_boundcalc_bounds:=$(_boundcalc_list "${{COMP_WORDS[0]}}")}}"
          words="$words $_boundcalc_bounds" ;;
      esac
      if [ "$COMP_CWORD" -eq 1 ]; then words="$words {names}"; fi
      ;;
  esac
  case "$prev" in
    --only) before="${{cur%"${{cur##*,}}"}}" ;;
  esac
  IFS=$'\\n'
  COMPREPLY=($(IFS=' '; compgen -P "$before" -W "$words" -- "${{cur#"$before"}}"))
  if [ -n "$files" ]; then COMPREPLY+=($(compgen -f -- "$cur")); fi
}}
complete -o filenames -F _boundcalc boundcalc
"""

ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def make_parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        prog="boundcalc completion",
        description="Print a script that makes a shell complete commands, options, choices and files.",
        epilog=EPILOG,
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=" or ".join(SHELLS))
    return parser


def run(words: list[str]) -> int:
    """Print the script of a shell; the script for zsh runs that for bash.

    Args:
        words: the command line after the command.

    Returns:
        0.
    """
    given = make_parser().parse_all(words)
    write((ZSH if given.shell == "zsh" else "") + script(), None)
    return 0


def script() -> str:
    """Return the script: the options of each command, and the values that each option may take."""
    made = {"CHECKPOINT": parsers.make()}
    made |= {name: import_module(f"boundcalc.cli.{name}").make_parser() for name in commands.NAMES}
    values = [line for name, parser in made.items() for line in _values(name, parser)]
    options = [f'        {name}) words="{_join(_first_words(made[name]))}" ;;' for name in made]
    names = _join(commands.NAMES)
    return SCRIPT.format(
        commands="|".join(commands.NAMES), names=names, values="\n".join(values), options="\n".join(options)
    )


def _values(command: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the script's lines for options that take a value: one line per option with choices, one for all options without."""
    free = []
    for action in parser._actions:
        if action.option_strings and action.nargs != 0:
            pattern = "|".join(f'"{command} {option}"' for option in action.option_strings)
            words = _join(_choices(action))
            if not words:
                free.append(pattern)
            else:
                files = "" if action.dest in FORMS_OF_DATA else "; files="
                yield f'    {pattern}) words="{words}"{files} ;;'
    if free:
        yield f"    {'|'.join(free)}) ;;"


def _choices(action: argparse.Action) -> Iterable[str]:
    """Return the words that an option takes, including those that are checked only after parsing."""
    known: dict[str, Iterable[str]] = {
        **dict.fromkeys(FORMS_OF_DATA, DATA_FORMS),
        "only": registry,
        "normalize": NAMED,
        "what": pictures(),
        "pruner": PRUNERS,
        "arch": ARCHITECTURES,
        "scope": SCOPES,
        "optimizer": OPTIMIZERS,
        "schedule": SCHEDULES,
        "loss": LOSSES,
        "certify": METHODS,
        "device": DEVICES,
        "pick_score": SCORE_NAMES,
        "pick_augmentation": AUGMENTATION_NAMES,
        "pick_feed": tuple(FEEDS),
    }
    return known.get(action.dest) or map(str, action.choices or ())


def _first_words(parser: argparse.ArgumentParser) -> list[str]:
    """Return the options of a command and the choices of its positional arguments."""
    positional = [
        str(word) for action in parser._actions if not action.option_strings for word in action.choices or ()
    ]
    return [*positional, *(option for action in parser._actions for option in action.option_strings)]


def _join(words: Iterable[str]) -> str:
    return " ".join(words)
