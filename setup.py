from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
SHIPPED = ('*.py', '*.sh', '*.yml')  # tools and configs, through the links in alrp_mmdet/.mim
CORE = ['py.typed', *(f'lrp/report/*.{kind}' for kind in ('html', 'css', 'js'))]


def version() -> str:
    scope = {}
    exec((ROOT / 'alrp' / 'version.py').read_text(), scope)
    return scope['__version__']


setup(
    name='alrp_mmdet',
    version=version(),
    description='Object detectors trained by ranking: aLRP Loss and AP Loss for MMDetection 3.x',
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
    exclude_package_data={'alrp_mmdet': ['.mim/tools/dev/*']},  # of use in a clone only
    # MMDetection and MMCV are not required here: the loss works without them, MMCV must be built
    # for the torch at hand, and maintained forks have other names. `import alrp_mmdet` checks them.
    install_requires=['torch>=2.6'],
    extras_require={
        'mmdet': ['mmengine>=0.10,<1', 'mmcv>=2.0.0,<2.2', 'mmdet>=3.0,<3.4'],
        'onnx': ['onnx', 'onnxscript', 'onnxruntime'],  # of tools/export.py
        'report': ['plotly>=6', 'jinja2'],  # of tools/analysis/lrp.py --html
    },
)
