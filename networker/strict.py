# SPDX-License-Identifier: Apache-2.0
"""Whether what is in configuration files means anything.

oslo.config reads what was registered and passes over everything else, so that a misspelt
option is one that was never set. Here each name in the files is looked for: among what is
registered in this process, and, only if it is not there, among what the installed projects
list for oslo-config-generator (entry points ``oslo.config.opts``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import logging
import pathlib
import re
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from importlib import metadata
from typing import Any

from oslo_config import cfg

LOG = logging.getLogger(__name__)

#: The groups in which a controller's files are looked at; others are the controller's.
CALLERS = frozenset({"networker", "networker_octavia"})
_DEFAULT = "DEFAULT"
_LISTS = "oslo.config.opts"
#: Options by which a group of keystoneauth's is recognized.
_CREDENTIALS = frozenset({"auth_type", "valid_interfaces"})
#: Kinds of authentication whose options are known even where none is named.
_COMMON = frozenset({"password", "v3password", "v3token", "v3applicationcredential"})
_LOCATION = re.compile(r" from LocationInfo\(location=.*?, detail='(?P<file>.*?)'\)")
Names = dict[str, set[str]]


@dataclasses.dataclass(frozen=True)
class Given:
    """An option in a configuration file; no option where a group is empty."""

    file: str
    group: str
    option: str | None
    value: str = ""

    def __str__(self) -> str:
        return f"{self.file}: [{self.group}]" + (f" {self.option}" * bool(self.option))


@dataclasses.dataclass(frozen=True)
class Unknown:
    """Something in a configuration file that nobody reads.

    :param text: says in one line what and where, and what may have been meant
    :param ours: False where another library's group is concerned, whose options come and
        go with its releases
    """

    text: str
    ours: bool


def given(conf: cfg.ConfigOpts) -> Iterator[Given]:
    """Return what is in the files that a configuration was read from, in their order."""
    for path in _files(conf):
        sections: dict[str, dict[str, Any]] = {}
        try:
            cfg.ConfigParser(path, sections).parse()
        except OSError as error:
            raise cfg.ConfigFilesPermissionDeniedError([path]) from error
        for group, options in sections.items():
            if not options:
                yield Given(path, group, None)
            for name, found in options.items():
                yield Given(path, group, name, str(found[-1]))


def unknown(
    conf: cfg.ConfigOpts, groups: Collection[str] | None = None
) -> list[Unknown]:
    """Return what is in the files and has no meaning.

    :param conf: after all options of this process were registered
    :param groups: look in these only; None for all
    """
    registered = _registered(conf)
    everything = list(given(conf))
    doubtful = [
        each
        for each in everything
        if (groups is None or _normal(each.group) in groups)
        and not _is_among(registered, each)
    ]
    if not doubtful:
        return []
    listed, own = _listed(others=groups is None)
    known: Names = defaultdict(set)
    for names in (registered, listed):
        for group, options in names.items():
            known[group] |= options
    kinds = {each.value for each in everything if each.option == "auth_type"}
    _add_credentials(known, kinds)
    read = {group for group in registered if not group.startswith("oslo_")} | own
    return list(_explained(doubtful, known, registered, read))


def values(conf: cfg.ConfigOpts) -> list[str]:
    """Read every option that is registered, and return what is wrong with their values."""
    wrong = []
    for name in conf:
        try:
            value = conf[name]
        except (cfg.Error, ValueError) as error:
            wrong.append(f"[{_DEFAULT}] {name}: {_plain(error)}")
            continue
        if isinstance(value, cfg.ConfigOpts.GroupAttr):
            for option in value:
                try:
                    _ = value[option]
                except (cfg.Error, ValueError) as error:
                    wrong.append(f"[{name}] {option}: {_plain(error)}")
    return wrong


def outdated(conf: cfg.ConfigOpts) -> list[str]:
    """Return which options in the files have another name by now, or will not be there.

    An option that several projects list is all right as long as it is for one of them.
    """
    known: dict[tuple[str, str], list[str]] = defaultdict(list)
    for group, option in _every_option():
        for name in {option.name, option.dest}:
            known[group, name].append(_removal(option))
        for old in option.deprecated_opts:
            name = old.name or option.dest
            text = f"it is [{group}] {option.dest} now"
            known[_normal(old.group or group), name].append(text)
    told: dict[str, None] = {}
    for each in given(conf):
        why = known[_normal(each.group), each.option or ""]
        if why and all(why):
            told[f"{each}: {why[0]}"] = None
    return list(told)


def _every_option() -> Iterator[tuple[str, cfg.Opt]]:
    for entry in metadata.entry_points(group=_LISTS):
        for group, options in _of(entry):
            name = _normal(getattr(group, "name", group) or _DEFAULT)
            yield from ((name, option) for option in options)


def _removal(option: cfg.Opt) -> str:
    if not option.deprecated_for_removal:
        return ""
    reason = " ".join((option.deprecated_reason or "").split())
    return "it is going to be removed" + (f": {reason}" if reason else "")


def register(conf: cfg.ConfigOpts, groups: Collection[str]) -> None:
    """Register options that networker lists and that this process has no use for.

    :param conf: where, so that their values can be read
    :param groups: those of these groups
    """
    for entry in metadata.entry_points(group=_LISTS):
        if entry.name.partition(".")[0] == "networker":
            for group, options in _of(entry):
                if group in groups:
                    conf.register_opts(options, group)


def tell_caller(conf: cfg.ConfigOpts) -> None:
    """Log what a controller's files have in networker's groups and nobody reads.

    :param conf: the controller's, whose other groups are not looked at
    """
    try:
        found = unknown(conf, CALLERS)
    except cfg.Error:  # the files have gone, or changed, since they were read
        return
    for each in found:
        LOG.warning("%s", each.text)


def _explained(
    doubtful: Iterable[Given], known: Names, registered: Names, read: set[str]
) -> Iterator[Unknown]:
    told = set()
    for each in doubtful:
        group = _normal(each.group)
        if group not in known:
            if (each.file, group) not in told:
                told.add((each.file, group))
                names = [f"[{name}]" for name in known]
                hint = _nearest(f"[{group}]", names)
                text = f"{each.file}: [{each.group}]: there is no such group{hint}"
                yield Unknown(text, ours=True)
        elif (
            not _is_among(known, each) and each.option and group in {*registered, *read}
        ):
            hint = _nearest(each.option, known[group])
            homes = [f"[{name}]" for name in registered if each.option in known[name]]
            if not hint and homes:
                hint = f"; it belongs into {' or '.join(sorted(homes))}"
            yield Unknown(f"{each}: there is no such option{hint}", group in read)


def _is_among(names: Names, each: Given) -> bool:
    group = _normal(each.group)
    return group in names and (each.option is None or each.option in names[group])


def _nearest(name: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, sorted(names), 1)
    return f"; did you mean {found[0]}?" if found else ""


def _files(conf: cfg.ConfigOpts) -> Iterator[str]:
    try:
        files, folders = conf.config_file, conf.config_dir
    except cfg.NoSuchOptError:  # it was never read from anything
        return
    for name in files or []:
        yield str(pathlib.Path(name).expanduser().absolute())
    for name in folders or []:
        folder = pathlib.Path(name).expanduser().absolute()
        yield from map(str, sorted(folder.glob("*.conf")))


def _normal(group: str) -> str:
    """Return a group's name as oslo.config compares it."""
    return _DEFAULT if group.upper() == _DEFAULT else group.lower()


def _registered(conf: cfg.ConfigOpts) -> Names:
    names: Names = defaultdict(set)
    for name in conf:
        # The value of a plain option may be wrong, which is not asked here.
        with contextlib.suppress(cfg.Error, ValueError):
            value = conf[name]
            if isinstance(value, cfg.ConfigOpts.GroupAttr):
                names[_normal(name)] |= set(value)
                continue
        names[_DEFAULT].add(name)
    return names


def _listed(*, others: bool) -> tuple[Names, set[str]]:
    """Return what the installed projects list, and which groups are networker's.

    :param others: whether to ask other projects than networker, which loads their code
    """
    names: Names = defaultdict(set)
    own = set()
    for entry in metadata.entry_points(group=_LISTS):
        ours = entry.name.partition(".")[0] == "networker"
        for group, options in _of(entry) if ours or others else ():
            name = _normal(getattr(group, "name", group) or _DEFAULT)
            if ours:
                own.add(name)
            for option in options:
                _add(names, name, option)
    return names, own


def _of(entry: metadata.EntryPoint) -> list[tuple[Any, list[cfg.Opt]]]:
    """Return the groups and options of one list."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # others' code warns of itself
        # What cannot be loaded here is not used here either.
        with contextlib.suppress(ImportError, AttributeError, cfg.Error):
            return list(entry.load()())
    return []


def _add(names: Names, group: str, option: cfg.Opt) -> None:
    names[group] |= {option.dest, option.name}
    for old in option.deprecated_opts:
        names[_normal(old.group or group)] |= {old.name or option.dest}


def _add_credentials(known: Names, kinds: set[str]) -> None:
    """Add keystoneauth's options to the groups that have credentials.

    Which of them a group has is decided by its `auth_type`, so that nobody lists them all.
    """
    groups = [group for group in known if known[group] & _CREDENTIALS]
    if not groups:
        return
    # Callers have no use for it.
    from keystoneauth1 import exceptions, loading

    options = [
        *loading.get_session_conf_options(),
        *loading.get_adapter_conf_options(),
        *loading.get_auth_common_conf_options(),
    ]
    for kind in sorted(kinds | _COMMON):
        with contextlib.suppress(exceptions.ClientException):
            options += loading.get_auth_plugin_conf_options(kind)
    for group in groups:
        for option in options:
            _add(known, group, option)


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Raise what oslo.config says of a wrong value so that people can read it.

    :raises ValueError: naming option, file and what is wrong
    """
    try:
        yield
    except cfg.ConfigFileValueError as error:
        raise ValueError(_plain(error)) from error


def _plain(error: Exception) -> str:
    """Return oslo.config's text for a wrong value, with its file named plainly."""
    return _LOCATION.sub(r" in \g<file>", str(error))
