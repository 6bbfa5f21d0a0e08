"""A step of one of several processes that share a GPU. Gloo takes tensors of GPUs as well."""

import signal

import torch
import torch.distributed as dist
from micro_batch_helpers import make_batch, step, tiny


def global_step(rank: int, meeting: str, loss: str, parts: list, results) -> None:
    """Put the logged values and gradients of a step on some images into a queue."""
    signal.alarm(200)  # kills this process if the test was killed
    torch.cuda.set_device(0)
    dist.init_process_group(
        'gloo', init_method=f'file://{meeting}', rank=rank, world_size=len(parts)
    )
    detector = tiny(loss_cls=dict(type=loss, ranking='global')).cuda()
    logged, gradients = step(detector, None, lambda: images_on('cuda', parts[rank]))
    logged = {name: value.item() for name, value in logged.items()}
    results.put((rank, logged, {name: g.cpu().numpy() for name, g in gradients.items()}))
    dist.barrier()


def images_on(device: str, part: slice = slice(None)):
    images, samples = make_batch()
    return images[part].to(device), [sample.to(device) for sample in samples[part]]
