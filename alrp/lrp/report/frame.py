"""What all reports share: the frame of the page, its styles, and how numbers look."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any


def render(
    template: str, evaluations: Mapping[str, Any], scripts: Sequence[str], **content: Any
) -> str:
    """Fill in a template that extends ``frame.html``.

    Args:
        template (str): Name of the template.
        evaluations (Mapping[str, Any]): One or two evaluations by name, already compared.
        scripts (Sequence[str]): Names of the scripts at the end of the page.
        **content: Values for the template.

    Returns:
        str: HTML.

    Raises:
        ImportError: If jinja2 is missing.
    """
    from jinja2 import Environment, FunctionLoader
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_read)
    )
    environment.filters |= dict(number=_number, signed=_signed)
    names = list(evaluations)
    return environment.get_template(template).render(
        names=names,
        two=len(names) == 2,
        evaluation=evaluations[names[0]],
        style=Markup(_read('style.css')),
        scripts=[Markup(_read(script)) for script in scripts],
        **content,
    )


def check_number(evaluations: Mapping[str, Any]) -> None:
    """Check that there are at most two evaluations.

    Raises:
        ValueError: If there are more.
    """
    if len(evaluations) > 2:
        raise ValueError(f'a report compares at most two evaluations, got {len(evaluations)}')


def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding='utf-8')


def _number(value: float) -> str:
    return f'{value:.3f}' if value == value else '\N{EN DASH}'


def _signed(value: float) -> str:
    return f'{value:+.3f}'.replace('-', '\N{MINUS SIGN}') if value == value else '\N{EN DASH}'
