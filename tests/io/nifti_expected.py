#!/usr/bin/python3
"""Writes nifti_expected.json: what nibabel says of each file of a folder of cases (Debian: python3-nibabel).

usage: /usr/bin/python3 nifti_expected.py CASES_FOLDER > nifti_expected.json

Each file has an outcome: "image" (shape, affine, sums and samples of the values in float32, in stored order) or "refused" (with the
exit code and a word that the message must hold). A note says where the NIfTI standard, or Duet, differs from nibabel.
"""
import gzip
import json
import logging
import pathlib
import sys
import warnings

import nibabel
import numpy

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
SAMPLES = 8


def values_of(data):
    flat = numpy.asarray(data).astype(numpy.float64).ravel(order="F").astype(numpy.float32).astype(numpy.float64)
    weights = numpy.arange(flat.size) % 1009 + 1.0
    at = [i * (flat.size - 1) // (SAMPLES - 1) for i in range(SAMPLES)]
    return {"count": int(flat.size), "sum": float(flat.sum()), "weighted": float((flat * weights).sum()),
            "min": float(flat.min()), "max": float(flat.max()), "samples": [[i, float(flat[i])] for i in at]}


def image(loaded, data):
    header = loaded.header
    row = {"outcome": "image", "shape": [int(n) for n in loaded.shape]}
    affine = loaded.affine
    if int(header["sform_code"]) <= 0 and int(header["qform_code"]) <= 0:
        affine = numpy.diag(list(abs(header["pixdim"][1:4])) + [1.0])
        row["note"] = "both codes 0: method 1 of the NIfTI standard; nibabel flips x and puts the origin at the centre"
    row["affine"] = [[float(v) for v in line] for line in affine]
    row.update(values_of(data))
    return row


def refused(code, says, note):
    return {"outcome": "refused", "code": code, "says": says, "note": note}


def expected(path):
    if path.name.startswith("minimal2."):
        loaded = nibabel.load(path.with_name("minimal2.hdr"))
        raw = gzip.decompress(path.with_name("minimal2.img.gz").read_bytes())
        data = numpy.frombuffer(raw, loaded.header.get_data_dtype(), int(numpy.prod(loaded.shape)))
        row = image(loaded, data)
        row["note"] += "; a plain .hdr with an .img.gz, which nibabel does not look for and libnifti2 does"
        return row
    try:
        loaded = nibabel.load(path)
    except Exception as error:
        return refused("data", "not a NIfTI file", f"nibabel: {type(error).__name__}")
    if not isinstance(loaded, (nibabel.Nifti1Pair, nibabel.Nifti2Pair)):
        return refused("data", "Analyze", "Analyze 7.5: nibabel reads it, Duet does not (orientation undefined)")
    kind = loaded.get_data_dtype()
    if kind.kind not in "iuf":
        word = {"c": "complex", "V": "RGB"}[kind.kind]
        return refused("data", word, f"nibabel reads {word} voxels, a segmenter has no use for them")
    try:
        data = numpy.asanyarray(loaded.dataobj)
    except FileNotFoundError:
        return refused("filesystem", ".img", "a header without its image")
    return image(loaded, data)


def main():
    folder = pathlib.Path(sys.argv[1])
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(("LICENSE", "COPYING")))
    rows = [json.dumps(str(p.relative_to(folder))) + ": " + json.dumps(expected(p)) for p in files]
    print("{\n" + ",\n".join(rows) + "\n}")


main()
