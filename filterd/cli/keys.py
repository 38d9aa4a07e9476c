"""`filterd keys`: pairs of keys for whoever signs bundles, and the public keys that this box trusts.

Nothing here changes what is in force. A trust ends when its file in `keys/` of the configuration is removed.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from filterd.cli.options import config_option, state_option
from filterd.cli.state import state_directory
from filterd.config import files
from filterd.errors import TrustError
from filterd.store import keys as store
from filterd.store.keys import PRIVATE, PUBLIC, TrustedKey


@click.group()
def keys() -> None:
    """Make keys for signed bundles, and say whose are trusted."""


@keys.command()
@click.argument("name")
@click.option(
    "--out",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path,
    metavar="DIR",
    help="Where the two files go.  [default: here]",
)
@config_option
@state_option
def new(name: str, folder: Path, config_dir: Path, state_dir: Path | None) -> None:
    """Make a pair of keys: NAME.key to sign with, NAME.pub to give to others."""
    _keep_out(folder, config_dir, state_directory(config_dir, state_dir))
    key = store.create(folder, name)
    click.echo(f"private key  {folder / (name + PRIVATE)}")
    click.echo(f"public key   {folder / (name + PUBLIC)}")
    _show(key)
    click.echo("Give the public key to those who are to believe it, the private one to nobody.")


@keys.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="What it is called here.  [default: as its file]")
@config_option
@state_option
def trust(file: Path, name: str | None, config_dir: Path, state_dir: Path | None) -> None:
    """Trust the public key in FILE from now on."""
    del state_dir  # every command takes it; keys are configuration
    key = store.load_public(file)
    key = dataclasses.replace(key, name=name) if name else key
    added = store.trust(config_dir, key)
    click.echo(f"{'trusted' if added else 'trusted already'}: {config_dir / store.FOLDER / (key.name + PUBLIC)}")
    _show(key)
    click.echo("Ask its owner, by telephone say, to read this fingerprint to you.")


@keys.command("list")
@config_option
@state_option
@click.pass_context
def show_all(context: click.Context, config_dir: Path, state_dir: Path | None) -> None:
    """List the keys this box trusts. Exit code 1 if a file in keys/ must not be used."""
    del state_dir
    trusted, refused = store.trusted(config_dir), store.refused(config_dir)
    for key in trusted:
        click.echo(f"{key.id}  {key.name}")
    for name, why in refused.items():
        click.echo(f"NOT USED: {name}: {why}", err=True)
    if not trusted:
        click.echo(f"{config_dir / store.FOLDER} holds no key that is trusted: no bundle is taken from anybody")
    if refused:
        context.exit(1)


@keys.command()
@click.argument("key", metavar="NAME|FILE")
@config_option
@state_option
def show(key: str, config_dir: Path, state_dir: Path | None) -> None:
    """Show a public key: one that is trusted by its NAME, or any by its FILE."""
    del state_dir
    found = next((trusted for trusted in store.trusted(config_dir) if trusted.name == key), None)
    if found is None and not Path(key).exists():
        known = ", ".join(trusted.name for trusted in store.trusted(config_dir)) or "none"
        raise TrustError(f"{key!r} is no file and no key that is trusted here; those are: {known}", "key")
    found = found or store.load_public(Path(key))
    _show(found)
    click.echo(found.pem.decode(), nl=False)


def _show(key: TrustedKey) -> None:
    """The fingerprint in groups of eight digits, to be read aloud."""
    print_ = key.fingerprint
    groups = [print_[at : at + 8] for at in range(0, len(print_), 8)]
    click.echo(f"id           {key.id}")
    click.echo(f"fingerprint  {' '.join(groups[:4])}\n             {' '.join(groups[4:])}")


def _keep_out(folder: Path, config_dir: Path, state_dir: Path) -> None:
    """A private key in these folders would end up with others: they are read by the service, copied, and backed up."""
    closed = [state_dir, *(config_dir / name for name in (store.FOLDER, files.POLICIES, files.BLOCKLISTS))]
    for path in closed:
        if folder.resolve().is_relative_to(path.resolve()):
            raise TrustError(
                f"{folder} is part of {path}: a private key does not belong there; --out DIR says where", "key"
            )
