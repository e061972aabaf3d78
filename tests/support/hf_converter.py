# SPDX-License-Identifier: Apache-2.0
"""Runs llama.cpp's own converter of Hugging Face checkpoints on one that has no tokenizer, with Debian's torch 1.13.

The converter is the directory `conversion` of llama.cpp's repository. It wants two things that Debian lacks. Of
`transformers` it uses AutoConfig, and reads config.json itself where that fails: the stand-in always fails. torch has
no FP8 before 2.1: such tensors are read as bytes and decoded here, before the converter multiplies them with their
scales. A class that converts more than the head is told to convert the head alone.
"""

import sys
import types
from pathlib import Path

FLOAT8 = {"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}


class _AutoConfig:
    @staticmethod
    def from_pretrained(*arguments, **options):
        raise OSError("there is no transformers; config.json is read instead")


class Converter:
    def __init__(self, llama_cpp, decode_f8):
        """`llama_cpp` is the checked-out repository; `decode_f8` makes numpy floats of bytes of F8_E4M3."""
        import torch
        sys.path[:0] = [str(llama_cpp), str(Path(llama_cpp) / "gguf-py")]
        sys.modules["transformers"] = types.SimpleNamespace(AutoConfig=_AutoConfig)
        for name in FLOAT8.values():
            if not hasattr(torch, name):
                setattr(torch, name, name)  # a key of tables, no more
        import conversion
        import gguf
        from conversion.base import LazyTorchTensor, ModelBase, ModelType
        self.torch, self.gguf, self.conversion = torch, gguf, conversion
        self.base, self.type, self.decode_f8 = ModelBase, ModelType.TEXT, decode_f8
        self.mapping = dict(gguf.TensorNameMap.block_mappings_cfg)
        for name in FLOAT8:
            LazyTorchTensor._dtype_str_map[name] = torch.uint8
        # Without its progress and its guesses it says nothing.
        import logging
        logging.disable(logging.WARNING)

    def classes_with_heads(self):
        """The names in config.json of all models whose heads the converter can keep."""
        self.conversion.load_all_models()
        return [name for name, made_by in self.base._model_classes[self.type].items() if made_by.supports_mtp_export]

    def convert(self, folder, out, name=None, prepare=lambda model: None, is_whole=False):
        """Writes the GGUF of `folder` to `out`. `name` stands for the class in config.json; `prepare` changes the
        converter's object before it converts; `is_whole`: the trunk too, even if the converter can leave it out."""
        folder, out = Path(folder), Path(out)
        # The names of one architecture would stay for those after it.
        self.gguf.TensorNameMap.block_mappings_cfg = dict(self.mapping)
        parameters = self.base.load_hparams(folder, False)
        made_by = self.conversion.get_model_class(name or self.conversion.base.get_model_architecture(
            parameters, self.type))
        made_by.mtp_only = made_by.supports_mtp_export and not is_whole
        out.unlink(missing_ok=True)
        model = made_by(folder, self.gguf.LlamaFileType.GUESSED, out, eager=True)
        model.set_vocab = lambda: None
        for tensor, read in list(model.model_tensors.items()):
            if read().dtype == self.torch.uint8:
                model.model_tensors[tensor] = lambda read=read: self.torch.from_numpy(self.decode_f8(read().numpy()))
        prepare(model)
        model.prepare_tensors()
        model.prepare_metadata(vocab_only=False)
        writer = model.gguf_writer
        writer.write_header_to_file(path=out)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
