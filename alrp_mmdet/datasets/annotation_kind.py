"""JSON files that are often taken for the COCO-format annotations of boxes."""

EXPORT = 'Export the boxes, as COCO JSON for object detection'


def wrong_kind(content) -> str | None:
    """What a file has in it instead of boxes, and what to do; None if it may be the right kind.

    Args:
        content: The file's JSON, whatever it is.

    Returns:
        str | None: A sentence.
    """
    if isinstance(content, list):
        entry = content[0] if content and isinstance(content[0], dict) else {}
        if {'image_id', 'score'} <= set(entry):
            return (
                'these are results of a detector, a list of entries with scores: name the file of '
                'annotations'
            )
        return None
    annotations = content.get('annotations') if isinstance(content, dict) else None
    if not isinstance(annotations, list) or not annotations:
        return None
    if not all(isinstance(annotation, dict) for annotation in annotations):
        return None
    if any('bbox' in annotation for annotation in annotations):
        return None
    keys = set().union(*annotations)
    for key, what in (
        ('segments_info', 'panoptic segments'),
        ('caption', 'captions'),
        ('keypoints', 'keypoints'),
        ('segmentation', 'masks'),
    ):
        if key in keys:
            return f"these are {what}: no annotation has a 'bbox'. {EXPORT}"
    return None
