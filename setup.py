"""Names the packages: the folder resources/ is installed as tvae_resources, docs/ within it."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["tvae_core*", "tvae_gui*"]),
        "tvae_resources",
        "tvae_resources.docs",
    ],
    package_dir={"tvae_resources": "resources", "tvae_resources.docs": "docs"},
)
