"""The content of the report as plain numbers and lists. NaN means undefined, null in JSON."""

from typing import Any

import numpy as np

from ..class_table import class_table
from ..curve import TAU, LRPCurve
from ..evaluation import Evaluation
from ..summary import defined
from ..tasks import AT_THRESHOLD, LRP_COMPONENTS

COLUMNS = dict(oLRP_loc='Loc', oLRP_fp='FP', oLRP_fn='FN')  # shorter names in the table
CALIBRATION = dict(LaECE_0='Calibration error', LaACE_0='without bins')
POINTS = 100  # of a curve


def cards(evaluations: list[Evaluation]) -> list[dict[str, Any]]:
    """The summary in groups: ``title``, ``lower_is_better``, and ``rows`` of names and values."""
    task, summary = evaluations[0].task, evaluations[0].summary
    ious = {f'{n}': f'at {task.measure} {n / 100:g}' for n in (50, 75)}
    groups = {
        'Localisation, recall, precision': {
            'oLRP': 'Optimal LRP error',
            'oLRP_loc': f'1 \N{MINUS SIGN} {task.measure}',
            'oLRP_fp': '1 \N{MINUS SIGN} precision',
            'oLRP_fn': '1 \N{MINUS SIGN} recall',
            **{f'oLRP{suffix}': name for suffix, name in task.parts.items()},
        },
        'Average precision': {
            'AP': 'Average precision',
            **{f'AP{suffix}': name for suffix, name in (ious | task.parts).items()},
        },
        'Average recall': _recalls(evaluations[0], ious),
        'Calibration': CALIBRATION,
    }
    groups = {
        title: {key: name for key, name in names.items() if key in summary}
        for title, names in groups.items()
        if names.keys() & summary.keys()
    }
    return [
        dict(
            title=title,
            lower_is_better=bool(names.keys() & {'oLRP', 'LaECE_0'}),
            rows=[
                dict(
                    key=key, name=name, **_compared([defined(e.summary[key]) for e in evaluations])
                )
                for key, name in names.items()
            ],
        )
        for title, names in groups.items()
    ]


def _recalls(evaluation: Evaluation, ious: dict[str, str]) -> dict[str, str]:
    """Names of the average recalls by key, the leading one first."""
    task, limits = evaluation.task, evaluation.max_dets
    if task.recalls == 'limits':
        names = {f'AR{n}': f'at {n} detection{"s" * (n > 1)}' for n in reversed(limits)}
        names[f'AR{limits[-1]}'] = 'Average recall'
    else:
        names = {'AR': 'Average recall'} | {f'AR{suffix}': name for suffix, name in ious.items()}
    for suffix, name in task.parts.items():
        names[task.recall_of_size.format(size=suffix, limit=limits[-1])] = name
    return names


def columns(evaluation: Evaluation) -> dict[str, str]:
    """Headings of the numbers in the table of classes, by key."""
    task = evaluation.task
    sizes = {f'oLRP{suffix}': name.capitalize() for suffix, name in task.parts.items()}
    keys = task.class_columns[task.class_columns.index('objects') + 1 :]
    capitalized = {key: key.capitalize() for key in ('threshold', *AT_THRESHOLD)}
    names = COLUMNS | sizes | capitalized
    return {key: names.get(key, key) for key in keys}


def classes(evaluations: list[Evaluation]) -> list[dict[str, Any]]:
    """Rows of the first evaluation's class table, worst first, undefined ones last.

    Each row also has ``compared``, the values and difference of oLRP, and ``of_sets``, which has
    ``optimum``, ``parts`` of oLRP and ``curve`` for each evaluation.
    """
    rows = class_table(evaluations[0])
    others = [{row['id']: row for row in class_table(e)} for e in evaluations]
    for row in rows:
        mine = [table[row['id']] for table in others]
        row['compared'] = _compared([other['oLRP'] for other in mine])
        row['of_sets'] = [
            dict(
                optimum={k: other[k] for k in (*LRP_COMPONENTS, 'threshold')},
                parts=error_parts(other),
                curve=thin(e.curve(row['id'])),
            )
            for other, e in zip(mine, evaluations)
        ]
    return sorted(rows, key=lambda row: (np.isnan(row['oLRP']), -row['oLRP'], row['class']))


def error_parts(row: dict[str, Any]) -> list[float]:
    """The shares of localisation, false positives and missed objects in oLRP.

    The components of oLRP are means over different sets and do not add up to it; these shares do.

    Args:
        row (dict): A row of the class table.

    Returns:
        list[float]: Three numbers whose sum is oLRP, NaN if it is undefined.
    """
    num_tp = row['objects'] * (1 - row['oLRP_fn'])
    if not num_tp > 0:
        return [0.0 * row['oLRP'], 0.0 * row['oLRP'], row['oLRP']]
    num_fp = num_tp * row['oLRP_fp'] / (1 - row['oLRP_fp'])
    parts = num_tp * row['oLRP_loc'] / (1 - TAU), num_fp, row['objects'] - num_tp
    return [part / (row['objects'] + num_fp) for part in parts]


def reliability(evaluation: Evaluation) -> dict[str, list[Any]]:
    """Detections, their mean score and their mean IoU in each bin of the score, over all classes.

    Without calibration errors in the evaluation, the lists are empty.
    """
    errors = evaluation.calibration
    if errors is None:
        return dict(count=[], score=[], iou=[])
    mine = ~np.isnan(errors.laece)
    count = errors.count[mine].sum(axis=0)
    means: list[list[float]] = []
    with np.errstate(invalid='ignore'):
        for values in (errors.mean_score, errors.mean_iou):
            means.append((np.nansum((errors.count * values)[mine], axis=0) / count).tolist())
    return dict(count=count.tolist(), score=means[0], iou=means[1])


def thin(curve: LRPCurve, points: int = POINTS) -> dict[str, list[float]]:
    """Exact points of a curve: the first, the optimum, and the last of each step of the score.

    Points that are left out are within one step of the ones kept. The last detection of a step is
    the last one with its score, so that a threshold gives this very point.

    Args:
        curve (LRPCurve): N points.
        points (int): Number of equal steps of the score.

    Returns:
        dict[str, list[float]]: ``score``, ``error``, ``loc``, ``fp`` and ``fn`` of at most
        ``points`` + 2 points, by descending score.
    """
    score = curve.score
    if not len(score):
        return dict(score=[], error=[], loc=[], fp=[], fn=[])
    width = (score[0] - score[-1]) / points or 1.0
    step = np.minimum((score[0] - score) // width, points - 1)
    last = np.flatnonzero(np.diff(step, append=points))
    optimum = np.flatnonzero(curve.error.error == curve.optimum().olrp)[:1]
    kept = np.unique(np.concatenate([[0], optimum, last]))
    return dict(
        score=score[kept].tolist(),
        **{name: values[kept].tolist() for name, values in curve.error._asdict().items()},
    )


def rounded(value: Any, digits: int = 5) -> Any:
    """Round all floats in lists and dicts to significant digits; NaN becomes None."""
    if isinstance(value, dict):
        return {key: rounded(part, digits) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(part, digits) for part in value]
    if isinstance(value, float):
        return float(f'{value:.{digits}g}') if np.isfinite(value) else None
    return value


def _compared(values: list[float]) -> dict[str, Any]:
    return dict(values=values, difference=values[-1] - values[0] if len(values) > 1 else None)
