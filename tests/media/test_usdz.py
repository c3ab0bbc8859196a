from __future__ import annotations

import struct
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tadmor.errors import UserError
from tadmor.media.mesh import TexturedMesh, parts
from tadmor.media.usdz import write_usdz


def test_without_usd_core_the_error_names_the_extra(
    tmp_path: Path, textured: TexturedMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pxr", None)  # importing it raises ImportError, whether it is installed or not
    with pytest.raises(UserError, match=r"pip install 'tadmor\[usdz\]'") as caught:
        write_usdz(tmp_path / "m.usdz", textured, name="m")
    assert caught.value.code == "missing-extra"
    assert not list(tmp_path.iterdir())


def test_the_package_is_stored_aligned_and_begins_with_the_root_layer(tmp_path: Path, textured: TexturedMesh) -> None:
    pytest.importorskip("pxr", reason="usd-core, the extra `usdz`, is not installed")
    path = tmp_path / "قوس.usdz"
    write_usdz(path, textured, name="Arch of Triumph")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    content = path.read_bytes()
    with zipfile.ZipFile(path) as package:
        entries = package.infolist()
        assert [entry.filename for entry in entries] == ["Arch_of_Triumph.usdc", "page_0.jpg", "page_1.jpg"]
        assert package.read("page_1.jpg") == textured.pages[1].jpeg
    for entry in entries:
        name_length, extra_length = struct.unpack_from("<HH", content, entry.header_offset + 26)
        assert entry.compress_type == zipfile.ZIP_STORED
        assert (entry.header_offset + 30 + name_length + extra_length) % 64 == 0


def test_the_stage_is_what_arkit_wants_and_holds_the_mesh(tmp_path: Path, textured: TexturedMesh) -> None:
    pytest.importorskip("pxr", reason="usd-core, the extra `usdz`, is not installed")
    from pxr import Usd, UsdGeom, UsdShade  # noqa: PLC0415 - after the check that it is there

    path = tmp_path / "m.usdz"
    write_usdz(path, textured, name="قوس النصر", metres_per_unit=0.01)
    stage = Usd.Stage.Open(str(path))
    assert stage.GetDefaultPrim().GetPath() == "/model"
    assert stage.GetDefaultPrim().GetDisplayName() == "قوس النصر"
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 0.01
    assert textured.uv is not None
    for part in parts(textured):
        mesh = UsdGeom.Mesh.Get(stage, f"/model/{part.name}")
        assert np.array_equal(mesh.GetPointsAttr().Get(), textured.vertices[part.vertex_index])
        assert np.array_equal(np.reshape(mesh.GetFaceVertexIndicesAttr().Get(), (-1, 3)), part.faces)
        assert set(mesh.GetFaceVertexCountsAttr().Get()) == {3}
        assert mesh.GetDoubleSidedAttr().Get() is True
        assert mesh.GetSubdivisionSchemeAttr().Get() == "none"
        assert mesh.GetPrim().HasAPI(UsdShade.MaterialBindingAPI)
        surface = UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()[0].ComputeSurfaceSource()[0]
        if part.kind == "page":
            st = np.array(UsdGeom.PrimvarsAPI(mesh).GetPrimvar("st").Get())
            assert np.allclose(st, textured.uv[part.vertex_index] * (1, -1) + (0, 1), atol=1e-6)
            texture = UsdShade.Shader(surface.GetInput("diffuseColor").GetConnectedSources()[0][0].source)
            assert texture.GetInput("file").Get().path == f"{part.name}.jpg"
            assert texture.GetInput("file").Get().resolvedPath.endswith(f"m.usdz[{part.name}.jpg]")
        else:
            grey = ((0.6 + 0.055) / 1.055) ** 2.4
            assert np.allclose(surface.GetInput("diffuseColor").Get(), grey)


def test_colours_are_shown_where_there_are_no_pages(tmp_path: Path, textured: TexturedMesh) -> None:
    pytest.importorskip("pxr", reason="usd-core, the extra `usdz`, is not installed")
    from pxr import Usd, UsdGeom  # noqa: PLC0415 - after the check that it is there

    path = tmp_path / "m.usdz"
    write_usdz(path, replace(textured, pages=(), uv=None, face_page=None), name="2 arches")
    stage = Usd.Stage.Open(str(path))
    assert stage.GetDefaultPrim().GetPath() == "/model_2_arches"
    shown = UsdGeom.PrimvarsAPI(stage.GetPrimAtPath("/model_2_arches/surface")).GetPrimvar("displayColor").Get()
    assert textured.colours is not None
    srgb = textured.colours[:-1] / 255
    assert np.allclose(shown, np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4), atol=1e-6)
