"""``backpass explain``."""

from __future__ import annotations

from pathlib import Path

import click

from . import say


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
def explain(model: Path) -> None:
    """Show MODEL: what it predicts, its θ, and its graph, one operation a line with the line of code it comes from."""
    with say.plainly():
        import backpass as bp

        found = bp.load(model)
        click.echo(str(found))
        if found.preprocessor is not None:
            names = found.preprocessor.feature_names
            shown = ", ".join(names[:12]) + (f", … {len(names) - 12} more" if len(names) > 12 else "")
            click.echo(f"\ninputs: {len(names)} features: {shown}")
        if found.classes:
            click.echo(f"classes: {', '.join(map(str, found.classes))}")
        click.echo()
        click.echo(str(found.graph))
