from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
SHIPPED = ('*.py', '*.sh', '*.yml')  # tools and configs, through the links in alrp_mmdet/.mim
CORE = ['py.typed', *(f'lrp/report/*.{kind}' for kind in ('html', 'css', 'js'))]

TORCH = ['torch>=2.6']
MASKS = ['pycocotools>=2.0.8']
# The official stack. Its maintained forks have other names, so `import alrp_mmdet` checks versions
# again, and MMCV must be built for the installed torch.
MMDET = ['mmengine>=0.10,<1', 'mmcv>=2.0.0,<2.2', 'mmdet>=3.0,<3.4']
TOOLS = ['matplotlib', 'opencv-python', 'packaging', 'pillow', 'pyyaml', 'rich']


def version() -> str:
    scope = {}
    exec((ROOT / 'alrp' / 'version.py').read_text(), scope)
    return scope['__version__']


setup(
    name='alrp_mmdet',
    version=version(),
    description='Ranking losses for object detectors (RS, aLRP, AP Loss) as an MMDetection 3.x '
    'plugin, and the LRP metric',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='The alrp_mmdet authors',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['alrp', 'alrp.*', 'alrp_mmdet', 'alrp_mmdet.*']),
    package_data={
        'alrp': CORE,
        'alrp_mmdet': [f'.mim/**/{pattern}' for pattern in SHIPPED],
    },
    exclude_package_data={'alrp_mmdet': ['.mim/tools/dev/*']},  # needed in a clone only
    entry_points={'console_scripts': ['alrp = alrp.__main__:main']},
    install_requires=['numpy>=1.24'],  # alrp.lrp
    extras_require={
        'torch': TORCH,  # alrp.ranking
        'masks': MASKS,  # alrp.lrp with iou_type='segm'
        'panoptic': ['kornia-rs>=0.2,<0.3'],  # alrp.lrp.panoptic; slower with opencv-python
        'report': ['plotly>=6', 'jinja2', 'markupsafe', 'pillow'],  # alrp lrp --html
        'mmdet': [*TORCH, *MASKS, *MMDET, *TOOLS],  # alrp_mmdet and its tools
        'calibration': ['scikit-learn'],  # alrp calibrate
        'paa': ['scikit-learn'],  # ALRPPAAHead, for training
        'onnx': ['onnx', 'onnxscript', 'onnxruntime'],  # alrp export
    },
)
