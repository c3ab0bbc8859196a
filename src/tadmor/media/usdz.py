"""Writing USDZ through Pixar's OpenUSD (package usd-core, the optional extra `usdz`), for AR Quick Look and others.

Follows the USDZ file format specification (uncompressed zip, 64 byte alignment, which OpenUSD's zip writer sees to) and
the UsdPreviewSurface specification. ARKit wants one root prim as default prim, Y up, and one material a mesh.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tadmor import __version__
from tadmor.errors import UserError
from tadmor.media.atomic import replacing
from tadmor.media.mesh import F64, INFERRED_GREY, Part, TexturedMesh, linear_from_srgb, parts


def write_usdz(path: Path, mesh: TexturedMesh, *, name: str, metres_per_unit: float = 1.0) -> None:
    """Write a mesh as USDZ: an Xform, the default prim, with one Mesh a page and one for the inferred faces.

    Evidence attributes are left out: viewers of USDZ ignore them. Colours are used only where there are no pages.
    Viewers show `name`; the prim gets it as far as USD's identifiers allow. `metres_per_unit` is the length of a world
    unit: AR viewers place the model at that size.

    Raises UserError "missing-extra" where usd-core is not installed; OSError where the file cannot be written.
    """
    usd = _import_usd()
    root = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "model"
    root = root if root[0].isalpha() else f"model_{root}"
    with tempfile.TemporaryDirectory(prefix="tadmor-usdz-") as folder:
        layer = Path(folder) / f"{root}.usdc"
        stage = usd.Usd.Stage.CreateNew(str(layer))
        usd.UsdGeom.SetStageUpAxis(stage, usd.UsdGeom.Tokens.y)
        usd.UsdGeom.SetStageMetersPerUnit(stage, metres_per_unit)
        stage.GetRootLayer().comment = f"Tadmor {__version__}"
        xform = usd.UsdGeom.Xform.Define(stage, f"/{root}")
        xform.GetPrim().SetDisplayName(name)
        stage.SetDefaultPrim(xform.GetPrim())
        usd.UsdGeom.Scope.Define(stage, f"/{root}/materials")
        contents = [layer]
        for part in parts(mesh):
            picture = Path(folder) / f"{part.name}.jpg"
            if part.kind == "page":
                picture.write_bytes(mesh.pages[part.page].jpeg)
                contents.append(picture)
            geometry = _add_mesh(usd, stage, f"/{root}", mesh, part)
            material = _add_material(usd, stage, f"/{root}/materials/{part.name}", mesh, part, picture.name)
            usd.UsdShade.MaterialBindingAPI.Apply(geometry.GetPrim()).Bind(material)
        stage.GetRootLayer().Save()
        _pack(usd, path, contents)


def _pack(usd: Any, path: Path, contents: list[Path]) -> None:
    """Zip files, the first of which is the root layer, as `path`, aligned and uncompressed as USDZ demands."""
    packed = contents[0].with_suffix(".usdz")
    writer = usd.Sdf.ZipFileWriter.CreateNew(str(packed))
    added = [writer.AddFile(str(file), file.name) for file in contents]
    if not (all(added) and writer.Save()):
        raise OSError(f"OpenUSD could not write {packed}")
    with packed.open("rb") as source, replacing(path) as file:
        shutil.copyfileobj(source, file)


def _import_usd() -> Any:
    """Return a namespace of OpenUSD's modules."""
    try:
        from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, Vt  # noqa: PLC0415 - an optional extra of 150 MB
    except ImportError as error:
        raise UserError("missing-extra", what="USDZ", package="usd-core", extra="usdz") from error
    usd = ModuleType("usd")
    vars(usd).update(Gf=Gf, Sdf=Sdf, Usd=Usd, UsdGeom=UsdGeom, UsdShade=UsdShade, Vt=Vt)
    return usd


def _add_mesh(usd: Any, stage: Any, root: str, mesh: TexturedMesh, part: Part) -> Any:
    geometry = usd.UsdGeom.Mesh.Define(stage, f"{root}/{part.name}")
    points = np.ascontiguousarray(mesh.vertices[part.vertex_index], np.float32)
    geometry.CreatePointsAttr(usd.Vt.Vec3fArray.FromNumpy(points))
    geometry.CreateExtentAttr(usd.Vt.Vec3fArray.FromNumpy(np.stack([points.min(0), points.max(0)])))
    geometry.CreateFaceVertexCountsAttr(usd.Vt.IntArray.FromNumpy(np.full(len(part.faces), 3, np.int32)))
    geometry.CreateFaceVertexIndicesAttr(usd.Vt.IntArray.FromNumpy(part.faces.ravel()))
    geometry.CreateSubdivisionSchemeAttr(usd.UsdGeom.Tokens.none)
    geometry.CreateDoubleSidedAttr(defaultValue=True)
    primvars = usd.UsdGeom.PrimvarsAPI(geometry)
    types = usd.Sdf.ValueTypeNames
    if part.kind == "page":
        assert mesh.uv is not None
        st = mesh.uv[part.vertex_index].astype(np.float64) * (1.0, -1.0) + (0.0, 1.0)  # USD's t points up
        primvar = primvars.CreatePrimvar("st", types.TexCoord2fArray, usd.UsdGeom.Tokens.vertex)
        primvar.Set(usd.Vt.Vec2fArray.FromNumpy(st.astype(np.float32)))
    elif part.kind == "surface" and mesh.colours is not None:
        primvar = primvars.CreatePrimvar("displayColor", types.Color3fArray, usd.UsdGeom.Tokens.vertex)
        colours = linear_from_srgb(mesh.colours[part.vertex_index, :3] / 255)
        primvar.Set(usd.Vt.Vec3fArray.FromNumpy(colours.astype(np.float32)))
    return geometry


def _add_material(usd: Any, stage: Any, path: str, mesh: TexturedMesh, part: Part, picture: str) -> Any:
    """Add a matt UsdPreviewSurface of the page, the vertices' colours, or the grey of what no photo sees."""
    types = usd.Sdf.ValueTypeNames
    material = usd.UsdShade.Material.Define(stage, path)
    surface = _add_shader(usd, stage, f"{path}/surface", "UsdPreviewSurface")
    surface.CreateInput("roughness", types.Float).Set(1.0)
    surface.CreateInput("metallic", types.Float).Set(0.0)
    colour = surface.CreateInput("diffuseColor", types.Color3f)
    if part.kind == "page":
        texture = _add_shader(usd, stage, f"{path}/texture", "UsdUVTexture")
        texture.CreateInput("file", types.Asset).Set(usd.Sdf.AssetPath(picture))
        texture.CreateInput("sourceColorSpace", types.Token).Set("sRGB")
        texture.CreateInput("wrapS", types.Token).Set("clamp")
        texture.CreateInput("wrapT", types.Token).Set("clamp")
        st = _add_shader(usd, stage, f"{path}/st", "UsdPrimvarReader_float2")
        st.CreateInput("varname", types.String).Set("st")
        texture.CreateInput("st", types.Float2).ConnectToSource(st.CreateOutput("result", types.Float2))
        colour.ConnectToSource(texture.CreateOutput("rgb", types.Float3))
    elif part.kind == "surface" and mesh.colours is not None:
        reader = _add_shader(usd, stage, f"{path}/colour", "UsdPrimvarReader_float3")
        reader.CreateInput("varname", types.String).Set("displayColor")
        colour.ConnectToSource(reader.CreateOutput("result", types.Float3))
    else:
        grey: F64 = linear_from_srgb(np.array([INFERRED_GREY] * 3))
        colour.Set(usd.Gf.Vec3f(*grey.tolist()))
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", types.Token))
    return material


def _add_shader(usd: Any, stage: Any, path: str, kind: str) -> Any:
    shader = usd.UsdShade.Shader.Define(stage, path)
    shader.CreateIdAttr(kind)
    return shader
