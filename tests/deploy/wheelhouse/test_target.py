import pytest
from packaging.markers import Marker

from deploy.wheelhouse.target import Target, TargetError


@pytest.mark.parametrize(
    ("platform", "first", "included", "excluded"),
    [
        ("manylinux_2_28_x86_64", "manylinux_2_28_x86_64", "manylinux2014_x86_64", "manylinux_2_31_x86_64"),
        ("manylinux_2_17_aarch64", "manylinux_2_17_aarch64", "linux_aarch64", "manylinux_2_28_aarch64"),
        ("musllinux_1_2_x86_64", "musllinux_1_2_x86_64", "musllinux_1_1_x86_64", "manylinux_2_17_x86_64"),
        ("macosx_14_0_arm64", "macosx_14_0_arm64", "macosx_11_0_universal2", "macosx_15_0_arm64"),
        ("win_amd64", "win_amd64", "win_amd64", "win32"),
    ],
)
def test_older_platforms_run_there(platform: str, first: str, included: str, excluded: str) -> None:
    names = Target("3.12", platform).platforms()
    assert names[0] == first
    assert included in names
    assert excluded not in names


def test_tags_prefer_the_own_python_and_the_newest_platform() -> None:
    tags = [str(tag) for tag in Target("3.12", "manylinux_2_28_x86_64").tags()]
    wanted = [
        "cp312-cp312-manylinux_2_28_x86_64",
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp39-abi3-manylinux_2_17_x86_64",
    ]
    assert sorted(wanted, key=tags.index) == wanted
    assert tags[-1].endswith("none-any")
    assert "cp313-cp313-manylinux_2_28_x86_64" not in tags


@pytest.mark.parametrize(
    ("target", "marker", "holds"),
    [
        (Target("3.12", "manylinux_2_28_x86_64"), "sys_platform == 'linux' and platform_machine == 'x86_64'", True),
        (Target("3.12", "manylinux_2_28_aarch64"), "platform_machine == 'x86_64'", False),
        (Target("3.12", "macosx_14_0_arm64"), "sys_platform == 'darwin' and platform_machine == 'arm64'", True),
        (Target("3.12", "win_amd64"), "os_name == 'nt' and platform_machine == 'AMD64'", True),
        (Target("3.11", "manylinux_2_28_x86_64"), "python_full_version < '3.11.5'", False),
        (
            Target("3.11.4", "manylinux_2_28_x86_64"),
            "python_full_version < '3.11.5' and python_version == '3.11'",
            True,
        ),
    ],
)
def test_markers_are_those_of_the_target(target: Target, marker: str, holds: bool) -> None:
    assert Marker(marker).evaluate(target.environment()) == holds


@pytest.mark.parametrize(
    ("python", "platform", "name"),
    [
        ("3", "win_amd64", "PYTHON"),
        ("312", "win_amd64", "PYTHON"),
        ("3.12", "linux", "PLATFORM"),
        ("3.12", "", "PLATFORM"),
    ],
)
def test_unknown_targets_are_refused_with_an_example(python: str, platform: str, name: str) -> None:
    with pytest.raises(TargetError, match=f"{name} is .*such as"):
        Target(python, platform)
