"""Names the packages: the folder resources/ is installed as tvae_resources."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["tvae_core*", "tvae_gui*"]), "tvae_resources"],
    package_dir={"tvae_resources": "resources"},
)
