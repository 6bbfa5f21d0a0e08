"""Read the config of a published checkpoint, and compare it with ours."""

from mmengine.config import Config

from ..checkpoint_config import as_lists, decoding_differences, parse_literals
from ..safe_loading import CheckpointError


def trained_config(checkpoint: object) -> tuple[dict, str | None]:
    """Read the config text in a published checkpoint. It is parsed, not run.

    Args:
        checkpoint (object): Content of the file, from ``CheckpointLoader``.

    Returns:
        tuple[dict, str | None]: The settings and None; or, if there is no readable model, an empty
        dict and the problem.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    text = meta.get('config_text') if isinstance(meta, dict) else None
    if not isinstance(text, str):
        return {}, 'the checkpoint has no config text'
    try:
        trained = parse_literals(text)
    except ValueError as error:
        return {}, str(error)
    if not isinstance(trained.get('model'), dict):
        return {}, 'the config text in the checkpoint has no readable model'
    return trained, None


def check_settings(trained: dict, problem: str | None, cfg: Config, filename: str) -> list[str]:
    """Compare how the published model and the config decode boxes and normalise images.

    Args:
        trained (dict): From ``trained_config``.
        problem (str | None): From ``trained_config``.
        cfg (Config): The config.
        filename (str): The checkpoint, for messages.

    Returns:
        list[str]: A note if they cannot be compared.

    Raises:
        CheckpointError: If they differ.
    """
    assumption = 'assuming the boxes and images of the config'
    if problem is not None:
        return [f'{problem}; {assumption}']
    found = list(decoding_differences(trained['model'], cfg.model))
    images, preprocessor = trained.get('img_norm_cfg'), cfg.model.get('data_preprocessor')
    if isinstance(images, dict) and preprocessor is not None:
        for name, ours in dict(mean='mean', std='std', to_rgb='bgr_to_rgb').items():
            value = images.get(name)
            if value is not None and value != as_lists(preprocessor.get(ours)):
                found.append((f'img_norm_cfg.{name}', value, preprocessor.get(ours)))
    if found:
        raise CheckpointError(
            f'the model of the config would decode wrong boxes from {filename}, which was trained '
            'with other settings:\n'
            + '\n'.join(f'  - {name}: {value}, in the config {ours}' for name, value, ours in found)
            + '\nGive a config with these settings with --config'
        )
    if 'target_stds' in str(trained) or 'target_stds' not in str(cfg.model):
        return []
    return [f'the config text in the checkpoint has no target_stds; {assumption}']
