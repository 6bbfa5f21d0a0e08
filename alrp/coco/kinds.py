"""Recognises JSON files that are easily mistaken for annotations of another kind."""

KINDS = dict(  # by a key that only these annotations have, the most telling key first
    segments_info='panoptic segments',
    caption='captions',
    keypoints='keypoints',
    segmentation='masks',
    bbox='boxes',
)


def wrong_kind(content: object, region: str = 'bbox') -> str | None:
    """Say what a file holds instead of annotations of one kind.

    Args:
        content (object): Parsed JSON.
        region (str): The key that annotations need: ``bbox``, ``segmentation`` or ``keypoints``.

    Returns:
        str | None: The problem, or None if the file may be the right one.
    """
    if isinstance(content, list):
        entry = content[0] if content and isinstance(content[0], dict) else {}
        if {'image_id', 'score'} <= entry.keys():
            return (
                'these are results of a detector, a list of entries with scores: pass the '
                'annotation file (the ground truth) here'
            )
        return None
    annotations = content.get('annotations') if isinstance(content, dict) else None
    if not isinstance(annotations, list) or set(map(type, annotations)) != {dict}:
        return None
    if any(region in annotation for annotation in annotations):
        return None
    keys = set().union(*annotations)
    for key, kind in KINDS.items():
        if key in keys:
            return (
                f'these are {kind}: no annotation has {"" if region[-1] == "s" else "a "}'
                f'{region!r}. Export the {KINDS[region]} as COCO JSON'
                f'{"" if region == "keypoints" else " for object detection"}'
            )
    return None
