"""Pretrained weights are checked before a training starts."""

import functools
import http.server
import threading

import pytest
import torch
from mmengine.config import Config

from alrp_mmdet.config.file import ConfigError
from alrp_mmdet.transfer.pretrained import check_pretrained


def config(checkpoint: str | None, key: str = 'backbone') -> Config:
    init_cfg = dict(type='Pretrained', checkpoint=checkpoint) if checkpoint else None
    return Config(
        dict(
            model=dict(
                type='RetinaNet',
                test_cfg=dict(nms_pre=1),
                **{key: dict(type='ResNet', init_cfg=init_cfg)},
            )
        )
    )


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server with the files of ``tmp_path / 'web'``; an empty download cache."""
    (tmp_path / 'web').mkdir()
    torch.save(dict(weight=torch.ones(2)), tmp_path / 'web' / 'good.pth')
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('no_proxy', '*')
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / 'web')
    )
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, 'log_message', lambda *args: None)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_weights_on_the_web_are_downloaded_once(server, tmp_path):
    url = f'http://127.0.0.1:{server.server_port}/good.pth'
    check_pretrained(config(url))
    [cached] = (tmp_path / 'cache').rglob('*.pth')
    (tmp_path / 'web' / 'good.pth').unlink()
    check_pretrained(config(url))
    assert torch.load(cached)['weight'].tolist() == [1, 1]


@pytest.mark.parametrize('key', ['backbone', 'mask_head'])
def test_unreachable_weights_are_explained(server, key):
    for url in (f'http://127.0.0.1:{server.server_port}/missing.pth', 'http://127.0.0.1:9/x.pth'):
        with pytest.raises(ConfigError) as error:
            check_pretrained(config(url, key))
        assert url in str(error.value)
        assert f'--cfg-options model.{key}.init_cfg.checkpoint=FILE' in str(error.value)


def test_missing_and_damaged_files_are_explained(tmp_path):
    (tmp_path / 'damaged.pth').write_bytes(b'not a checkpoint')
    for name in ('missing.pth', 'damaged.pth'):
        with pytest.raises(ConfigError) as error:
            check_pretrained(config(str(tmp_path / name)))
        assert name in str(error.value) and 'model.backbone.init_cfg' in str(error.value)


@pytest.mark.parametrize('checkpoint', [None, 'torchvision://resnet50'])
def test_nothing_is_checked_without_weights_or_for_other_schemes(checkpoint):
    check_pretrained(config(checkpoint))


def test_one_process_of_a_job_checks(monkeypatch):
    monkeypatch.setenv('RANK', '1')
    check_pretrained(config('missing.pth'))
