"""Compare the config of a published checkpoint with ours."""

from mmengine.config import Config

from ..checkpoint_config import as_lists, decoding_differences
from ..safe_loading import CheckpointError


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
