"""Excerpts of public sets, in their own formats with numbers made up here, become the rows that they mean."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from roofline.core.measurement import Measurement
from roofline.core.stack import Stack
from roofline.errors import DataError, UnknownName, UsageError
from roofline.measurements.kernels import kernel_of, kernels_of
from roofline.measurements.public import SETS, read_public
from roofline.measurements.public.caffe import NETS
from roofline.measurements.public.devices import chip_named

COLLECTED = (
    "OPName,Latency,Device,Torch Version,CUDNN Version,Kernel Name,Warps per SM,Blocks per SM,Grid x,Grid y,Grid z,"
    "Block x,Block y,Block z,CUDA Version"
)
BLOCKS = "1.0,0.5,2,1,1,64,1,1,cu121"


def rows(name: str, path: Path, chip: str = "") -> tuple[list[Measurement], Counter[str]]:
    """The rows of a set; each of them survives JSON and is something that operators know."""
    skipped: Counter[str] = Counter()
    found = list(read_public(name, path, chip=chip, skipped=skipped))
    for row in found:
        assert Measurement.from_dict(json.loads(json.dumps(row.to_dict()))) == row
        assert row.provenance
        assert row.set.startswith(name)
        assert row.kind == "network" or kernels_of(row)
    return found, skipped


# NeuSight --------------------------------------------------------------------------------------------------------


def collected(folder: Path, op: str, columns: str, *lines: str, device: str = "Tesla T4", kernel: str = "k") -> Path:
    """A file of NeuSight's collector; a line is latency and sizes."""
    path = folder / "collect" / op / "p2.1.0" / f"{device}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    written = [f"{COLLECTED},{columns}"]
    for line in lines:
        latency, sizes = line.split(",", 1)
        written.append(f"{op},{latency},{device},p2.1.0,8902,{kernel},{BLOCKS},{sizes}")
    path.write_text("\n".join(written) + "\n")
    return path


def test_the_reduction_of_neusight_is_n(tmp_path: Path) -> None:
    collected(tmp_path, "bmm", "Kernels,B,M,N,K", "0.5,;volta_sgemm_64x64_nn,3,5,7,11", kernel="volta_sgemm_64x64_nn")
    collected(tmp_path, "linear", "Kernels,B,M,N,K", "0.25,;volta_sgemm_64x64_tn,2,5,7,11")
    (bmm, linear), skipped = rows("neusight", tmp_path)
    assert not skipped
    assert (bmm.chip, bmm.dtype, bmm.seconds, bmm.cache) == ("tesla-t4", "fp32", 0.5e-3, "unknown")
    assert (bmm.kernel, bmm.set, bmm.order, bmm.part) == ("volta_sgemm_64x64_nn", "neusight/bmm", 0, "forward")
    assert bmm.stack == Stack(version="2.1.0, cuDNN 8.9.2")
    product = kernel_of(bmm)
    assert (product.batch, product.m, product.n, product.k) == (3, 5, 11, 7)
    product = kernel_of(linear)
    assert (product.m, product.n, product.k) == (10, 11, 7)


def test_a_scalar_of_neusight_is_no_tensor(tmp_path: Path) -> None:
    for op in ("add", "addu", "pow", "powu", "relu", "softmax", "ln"):
        collected(tmp_path, op, "B,H", "0.5,4,6")
    found, _ = rows("neusight", tmp_path)
    assert {row.set: kernel_of(row).reads for row in found} == {
        "neusight/add": 96 + 96,
        "neusight/addu": 96 + 4,
        "neusight/ln": 96,
        "neusight/pow": 96 + 96,
        "neusight/powu": 96 + 4,
        "neusight/relu": 96,
        "neusight/softmax": 96,
    }


def test_convolutions_of_neusight_keep_their_order(tmp_path: Path) -> None:
    columns = "Kernels,B,Input_Channel,Output_Channel,Kernel_Szie,Input_Size,Stride,Padding"
    collected(tmp_path, "conv", columns, "2.5,;a;b,38,8,16,3,5,1,1", "1.5,;a,2,4,6,3,9,2,0")
    (first, second), _ = rows("neusight", tmp_path)
    assert (first.order, second.order) == (0, 1)
    assert first.inputs == ((38, 8, 5, 5),)
    assert first.attributes == {"out": 16, "kernel": 3, "padding": 1, "bias": False}
    assert second.attributes == {"out": 6, "kernel": 3, "padding": 0, "bias": False, "stride": 2}


def test_merged_tables_of_neusight_are_not_counted_twice(tmp_path: Path) -> None:
    path = collected(tmp_path, "add", "B,H", "0.5,4,6", "0.5,4,8")
    merged = tmp_path / "test" / "elem.csv"
    merged.parent.mkdir()
    merged.write_text(path.read_text().replace("\nadd", "\nmul").replace("Tesla T4", "NVIDIA A100 80GB PCIe"))
    found, skipped = rows("neusight", tmp_path)
    assert len(found) == 2
    assert skipped == {"files that repeat those of the collector": 1}
    found, skipped = rows("neusight", merged)
    assert [(row.op, row.chip) for row in found] == [("mul", "a100-pcie-80gb")] * 2
    assert not skipped


def test_tidy_copies_of_neusight(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "conv.csv.gz", "wt") as file:
        file.write(
            "device,row,B,c_in,c_out,kernel_size,input_size,stride,padding,latency_ms,launches,kernel\n"
            "tesla-p4,7,2,3,4,3,5,1,1,0.5,2,winograd\ntesla-t4,0,2,3,4,3,5,1,1,0.25,2,other\n"
        )
    (tmp_path / "addu.csv").write_text("device,B,H,latency_ms,kernel\ntesla-p4,4,6,0.5,add\ntesla-p4,4,8,0.5,add\n")
    found, _ = rows("neusight", tmp_path)
    assert [(row.set, row.chip, row.order) for row in found] == [
        ("neusight/addu", "tesla-p4", 0),
        ("neusight/addu", "tesla-p4", 1),
        ("neusight/conv", "tesla-p4", 7),
        ("neusight/conv", "tesla-t4", 0),
    ]
    only, _ = rows("neusight", tmp_path, chip="tesla-t4")
    assert [row.seconds for row in only] == [0.25e-3]


def test_nets_of_neusight(tmp_path: Path) -> None:
    label = tmp_path / "label" / "NVIDIA_A100-PCIE-40GB"
    label.mkdir(parents=True)
    text = '{"num_layer": 24, "e2e_latency": 200.5, "fw_latency": 70.5, "bwall_latency": 130.0}'
    for run in ("bert_large-train-512-2", "gpt3_xl-inf-2048-8", "switchxl4-inf-512-1", "bert_large-inf-512-8-fusion"):
        (label / f"{run}.json").write_text(text)
    (label / "config.json").write_text("{}")  # of something else
    found, skipped = rows("neusight", tmp_path)
    bert, gpt = found
    assert (bert.network, bert.symbols, bert.mode) == (
        "bert-large-pretraining",
        {"batch": 2, "seq": 512},
        "training",
    )
    assert (bert.chip, bert.seconds, bert.stack.fused_attention) == ("a100-pcie-40gb", 0.2005, False)
    assert gpt.symbols == {"layers": 24, "hidden": 3072, "heads": 24, "batch": 8, "seq": 2048}
    assert gpt.mode == "inference"
    assert set(skipped.values()) == {1}
    assert any("switchxl4" in why for why in skipped)
    tidy = tmp_path / "end_to_end.csv"
    tidy.write_text("device,run,num_layer,e2e_ms,forward_ms,backward_ms\ntesla-t4,opt_13-inf-2048-2,24,40,40,0\n")
    (opt,), _ = rows("neusight", tidy)
    assert (opt.network, opt.chip, opt.seconds) == ("opt-1.3b", "tesla-t4", 0.04)


TRACE = """op,target,input_shapes,output_shape,dtype,fw_latency,bw_latency
placeholder,input_ids,[],"(2, 8)",torch.int64,0.0,0.0
call_function,<built-in function add>,[[1]],"(1,)",,0.01,0.0
call_module,bert.encoder.layer.0.attention.self.query,"[[2, 8, 4]]","(2, 8, 6)",torch.float32,0.5,0.9
call_module,lm_head,"[[2, 8, 4]]","(2, 8, 30)",torch.float32,0.25,0
call_module,bert.encoder.layer.0.output.LayerNorm,"[[2, 8, 4]]","(2, 8, 4)",torch.float32,0.125,0.25
call_function,<built-in method addmm of type object at 0x1>,"[[9], [16, 4], [4, 9]]","(16, 9)",torch.float32,0.5,1.5
call_function,<built-in method matmul of type object at 0x1>,"[[2, 8, 4], [2, 4, 8]]","(2, 8, 8)",torch.float32,0.5,1.5
call_function,<function softmax at 0x1>,"[[2, 8, 8]]","(2, 8, 8)",torch.float32,0.5,0.0
call_function,<built-in function truediv>,"[[2, 8, 8], [1]]","(2, 8, 8)",torch.float32,0.5,0.5
call_function,<built-in function add>,"[[2, 8, 8], [2, 1, 8]]","(2, 8, 8)",torch.float32,0.5,0.5
call_function,<built-in function mul>,"[[2, 8, 8], [2, 1, 8]]","(2, 8, 8)",torch.float32,0.5,0.5
call_method,view,"[[2, 8, 8], [1]]","(2, 64)",torch.float32,0.01,0.0
"""


def test_traced_calls_of_neusight(tmp_path: Path) -> None:
    path = tmp_path / "label" / "Tesla_V100-PCIE-32GB" / "bert_large-train-8-2.csv"
    path.parent.mkdir(parents=True)
    path.write_text(TRACE)
    found, skipped = rows("neusight", tmp_path)
    assert [(row.op, row.part, row.seconds) for row in found] == [
        ("linear", "forward", 0.5e-3),
        ("linear", "backward", 0.9e-3),
        ("linear", "forward", 0.25e-3),
        ("layer_norm", "forward", 0.125e-3),
        ("layer_norm", "backward", 0.25e-3),
        ("linear", "forward", 0.5e-3),
        ("linear", "backward", 1.5e-3),
        ("matmul", "forward", 0.5e-3),
        ("matmul", "backward", 1.5e-3),
        ("softmax", "forward", 0.5e-3),
        ("div", "forward", 0.5e-3),
        ("div", "backward", 0.5e-3),
        ("add", "forward", 0.5e-3),  # sums pass gradients on
        ("mul", "forward", 0.5e-3),  # whether the mask needs one is not said
    ]
    assert [row.attributes for row in found if row.op == "linear" and row.part == "forward"] == [
        {"out": 6, "bias": True},
        {"out": 30, "bias": False},
        {"out": 9},
    ]
    assert found[5].inputs == ((16, 4),)
    assert found[10].inputs == ((2, 8, 8), ())
    assert {row.chip for row in found} == {"tesla-v100-pcie-32gb"}
    assert [row.order for row in found[:3]] == [2, 2, 3]
    assert skipped == {"traced calls that launch no kernel, or of unknown operators": 3}
    path.write_text(TRACE.replace("[[2, 8, 8], [1]]", "[[2, 8"))
    with pytest.raises(DataError, match="input_shapes: expected shapes, got"):
        rows("neusight", path)


# DeepBench -------------------------------------------------------------------------------------------------------

PRINTED = """
                  Running training benchmark
                         Times
----------------------------------------------------------------------------------------
    m       n      k      a_t     b_t      precision        time (usec)
   1760     16   1760      0      1        float          266
   1760     32   1761      1      0         half            Not Supported
   1760     64   1760      t      n         half          290
 Total kernels skipped: 1
 Total kernels: 235

                         Times
----------------------------------------------------------------------------------------
   w      h      c      n      k      f_w    f_h  pad_w  pad_h    stride_w  stride_h    precision  fwd_time (usec)  \
bwd_inputs_time (usec)  bwd_params_time (usec)  total_time (usec)   fwd_algo
----------------------------------------------------------------------------------------
  700    161      1      4     32     20      5      0       0         2         3     float           350\
                       0                    700               1050            IMPLICIT_GEMM
    type    hidden   N     timesteps   precision     fwd_time (usec)   bwd_inputs_time (usec)  bwd_params_time (usec)
----------------------------------------------------------------------------------------
 vanilla    1760      16      50         float              7769              7297              1544
    lstm     512      16      25         float              2560              2817               428
"""


def test_what_deepbench_prints(tmp_path: Path) -> None:
    path = tmp_path / "titan.log"
    path.write_text(PRINTED)
    with pytest.raises(UsageError, match=r"does not name the measured device.*--chip"):
        rows("deepbench", path)
    (tmp_path / "requirements.txt").write_text("click>=8.1\nnumpy>=1.26\n")
    found, skipped = rows("deepbench", tmp_path, chip="gtx-980")
    gemm, half, forward, weights, *recurrent = found
    assert (gemm.chip, gemm.dtype, gemm.seconds, gemm.kernel) == ("gtx-980", "fp32", 266e-6, "gemm NT")
    # column-major (1760, 1760) x (1760, 16): 16 rows, and weights that a layer would have the other way round
    assert (gemm.op, gemm.inputs) == ("matmul", ((16, 1760), (1760, 1760)))
    assert (half.dtype, half.kernel, half.set) == ("fp16", "gemm TN", "deepbench/gemm")
    assert forward.inputs == ((4, 1, 161, 700),)
    assert forward.attributes["kernel"] == (5, 20)
    assert forward.attributes["stride"] == (3, 2)
    assert (forward.part, forward.seconds, forward.kernel) == ("forward", 350e-6, "IMPLICIT_GEMM")
    assert (weights.part, weights.seconds, weights.kernel) == ("weights", 700e-6, "")
    assert [(row.op, row.part) for row in recurrent] == [
        (op, part) for op in ("rnn", "lstm") for part in ("forward", "data", "weights")
    ]
    assert skipped == {
        "measurements that the library did not support": 1,
        "measurements without a time for the data part": 1,
        "text files without a table": 1,
    }


def test_tidy_copies_of_deepbench(tmp_path: Path) -> None:
    (tmp_path / "gemm.csv").write_text("device,dtype,M,N,K,ta,tb,ms\ntesla-t4,fp16_mixed,64,7,32,T,N,0.25\n")
    (tmp_path / "conv.csv").write_text(
        "device,dtype,W,H,C,N,K,S,R,pad_w,pad_h,str_w,str_h,macs,fwd_ms,bwd_in_ms,bwd_w_ms,algo\n"
        "tesla-t4,fp32,20,10,8,2,4,3,5,1,2,1,1,9,0.5,,0.75,WINOGRAD\ntesla-t4,int8,20,10,8,2,4,3,5,1,2,1,1,9,0.5,,,W\n"
    )
    (tmp_path / "rnn.csv").write_text(
        "device,dtype,cell,hidden,N,T,fwd_ms,bwd_in_ms,bwd_w_ms\ntitan-x-maxwell,fp32,GRU,512,32,9,1,2,3\n"
        "titan-x-maxwell,fp32,Elman,512,32,9,1,2,3\n"
    )
    found, skipped = rows("deepbench", tmp_path)
    forward, weights, gemm, *gru = found
    assert (gemm.dtype, gemm.kernel, gemm.inputs) == ("fp16", "gemm TN", ((7, 32),))
    assert (forward.attributes["padding"], forward.inputs) == ((2, 1), ((2, 8, 10, 20),))
    assert (weights.part, weights.seconds) == ("weights", 0.75e-3)
    assert [row.seconds for row in gru] == [1e-3, 2e-3, 3e-3]
    # the input skips its weights: one small product a step, and nothing but it in the gradients
    assert [kernel.repeats for kernel in kernels_of(gru[0])] == [9, 9]
    assert skipped == {
        "measurements in int8": 1,
        "measurements without a time for the data part": 1,
        "unknown recurrent cell: elman": 1,
    }


# Caffe -----------------------------------------------------------------------------------------------------------

ALEXNET = ("conv1", "conv2/5x5_s1", "conv3/3x3_s1", "conv4/3x3_s1", "conv5/3x3_s1", "fc6", "fc7", "fc8")


def caffe_log(layers: tuple[str, ...], batch: int = 128) -> str:
    lines = ['name: "alexnet"', "layer {", "      dim: " + str(batch), "      dim: 3", "}"]
    stamp = "I0228 23:02:00.849072 24487 caffe.cpp:369]"
    lines += [f"{stamp} Iteration: 1 forward-backward time: 136.04 ms.", f"{stamp} Average time per layer: "]
    for index, layer in enumerate(layers, start=1):
        lines += [f"{stamp} {layer:>10}\tforward: {index} ms.", f"{stamp} {layer:>10}\tbackward: {2 * index} ms."]
    return "\n".join([*lines, f"{stamp} Average Forward pass: 42.405 ms."]) + "\n"


def test_a_log_of_caffe(tmp_path: Path) -> None:
    path = tmp_path / "output_alexnet.log"
    path.write_text(caffe_log(("conv1", "conv1/relu", *ALEXNET[1:], "pool5/3x3_s2"), batch=64))
    found, skipped = rows("caffe", tmp_path)
    layers, nets = found[:-2], found[-2:]
    assert not skipped
    assert [row.part for row in layers] == ["forward"] * 8 + ["backward"] * 8
    second = layers[1]
    assert (second.op, second.inputs, second.seconds) == ("conv2d", ((64, 64, 27, 27),), 3e-3)
    assert (second.attributes["out"], second.attributes["kernel"]) == (192, (5, 5))
    assert second.stack == Stack(framework="caffe", version="cuDNN R4", cudnn=4)
    assert layers[5].inputs == ((64, 256 * 36),)
    assert [kernel.op for kernel in kernels_of(layers[8])] == [
        "conv2d_backward_data",
        "conv2d_backward_weight",
        "bias_backward",
    ]
    total = sum(range(1, 11)) * 1e-3
    assert [(row.network, row.mode, row.symbols) for row in nets] == [
        ("alexnet", "inference", {"batch": 64}),
        ("alexnet", "training", {"batch": 64}),
    ]
    assert [row.seconds for row in nets] == pytest.approx([total, 3 * total])
    assert {row.chip for row in found} == {"titan-x-maxwell"}
    assert {row.chip for row in read_public("caffe", path, chip="gtx-980")} == {"gtx-980"}


def test_a_tidy_copy_of_caffe(tmp_path: Path) -> None:
    lines = [f"alexnet,{layer},{way},{ms}" for way, ms in (("forward", 1), ("backward", 2)) for layer in ALEXNET]
    (tmp_path / "layers.csv").write_text("\n".join(["net,layer,dir,ms", *lines]) + "\n")
    found, _ = rows("caffe", tmp_path)
    assert len(found) == 18
    assert found[0].inputs == ((NETS["alexnet"][1], 3, 224, 224),)


def test_layers_of_another_net_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.log"
    path.write_text(caffe_log(ALEXNET[:5]))  # as its logs of 2014, with dense layers as convolutions
    with pytest.raises(DataError, match="alexnet has 5 convolutions and dense layers timed forward, and 8"):
        rows("caffe", path)


# aiconfigurator --------------------------------------------------------------------------------------------------

GEMM = "framework,version,device,op_name,kernel_source,gemm_dtype,m,n,k,latency,power,power_limit\n"


def test_tables_of_aiconfigurator(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "h100_sxm" / "trtllm" / "1.2.0"
    folder.mkdir(parents=True)
    (folder / "gemm_perf.txt").write_text(
        GEMM + "TRTLLM,1.2.0,NVIDIA H100 80GB HBM3,gemm,torch_flow,bfloat16,8,16,32,0.5,500,700\n"
        "TRTLLM,1.2.0,NVIDIA H100 80GB HBM3,gemm,torch_flow,nvfp4,8,16,32,0.5,500,700\n"
        "TRTLLM,1.2.0,NVIDIA H100 80GB HBM3,gemm,torch_flow,fp8,8,16,32,0.5,500,700\n"
    )
    (folder / "moe_perf.txt").write_text("framework,version\n")
    (bf16, fp8), skipped = rows("aiconfigurator", tmp_path)
    assert skipped == {"GEMM in nvfp4": 1}
    assert (bf16.chip, bf16.dtype, bf16.seconds, bf16.set) == ("h100-sxm", "bf16", 0.5e-3, "aiconfigurator/bf16")
    assert bf16.stack == Stack(framework="tensorrt-llm", version="1.2.0", mode="graphs")
    assert (bf16.inputs, bf16.attributes) == (((8, 32),), {"out": 16, "bias": False})
    assert (fp8.dtype, fp8.set, fp8.kernel) == ("fp8_e4m3", "aiconfigurator/fp8_e4m3", "torch_flow")


def test_a_tidy_copy_of_aiconfigurator(tmp_path: Path) -> None:
    path = tmp_path / "h200.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("dtype,m,n,k,latency_ms\nbfloat16,8,16,32,0.5\n")
    (row,), _ = rows("aiconfigurator", path)
    assert (row.chip, row.stack.version) == ("h200-sxm", "1.3.0rc20")


# What is wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_a_folder_without_anything_understood(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        rows(name, tmp_path / "nowhere")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "readme.md").write_text("nothing")
    with pytest.raises(DataError, match="nothing to read; expected "):
        rows(name, tmp_path)


def test_an_unknown_set() -> None:
    with pytest.raises(UnknownName, match="no public data set named 'newsight'; did you mean neusight"):
        rows("newsight", Path())


LINEAR = "device,B,M,N,K,latency_ms\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            LINEAR + "tesla-t4,1,2,3,4,0.5\ntesla-t4,1,2,x,4,0.5\n",
            r"linear\.csv:3: N: expected a whole number, got 'x'",
        ),
        (LINEAR + "tesla-t4,1,2,0,4,0.5\n", r"linear\.csv:2: N: expected a whole number of at least 1, got '0'"),
        (LINEAR + "tesla-t4,1,2,3,4,0\n", r"linear\.csv:2: latency_ms: expected a time above zero, got '0'"),
        (LINEAR + "tesla-t4,1,2,3,4,nan\n", r"linear\.csv:2: latency_ms: expected a time above zero, got 'nan'"),
        (LINEAR + "tesla-t4,1,2,3,4,1e400\n", r"linear\.csv:2: latency_ms: expected a time above zero"),
        (LINEAR + "tesla-t4,1,2,3,4\n", r"linear\.csv:2: expected 6 columns"),
        (LINEAR + "tesla-t4,1,2,3,4,5,6\n", r"linear\.csv:2: expected 6 columns"),
        ("device,B,M,K,latency_ms\ntesla-t4,1,2,3,0.5\n", r"linear\.csv:2: no column 'N', which linear needs"),
    ],
)
def test_a_bad_line_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "linear.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        rows("neusight", path)


def test_files_that_are_none(tmp_path: Path) -> None:
    damaged = tmp_path / "gemm.csv.gz"
    damaged.write_bytes(gzip.compress(b"device,dtype,M,N,K,ta,tb,ms\n" * 100)[:40])
    with pytest.raises(DataError, match="damaged gzip file"):
        rows("deepbench", damaged)
    pointer = tmp_path / "gemm_perf.txt"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(DataError, match="git lfs pull"):
        rows("aiconfigurator", tmp_path / "gemm_perf.txt")
    binary = tmp_path / "times.log"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="this is not text"):
        rows("deepbench", binary, chip="tesla-t4")
    empty = tmp_path / "empty.log"
    empty.write_text("")
    with pytest.raises(DataError, match="no table of gemm_bench"):
        rows("deepbench", empty, chip="tesla-t4")


@pytest.mark.parametrize(
    ("device", "chip"),
    [
        ("Tesla T4", "tesla-t4"),
        ("Tesla P100-PCIE-16GB", "tesla-p100-pcie"),
        ("NVIDIA A100 80GB PCIe", "a100-pcie-80gb"),
        ("NVIDIA GeForce RTX 2070", "rtx-2070"),
        ("GeForce GTX 980", "gtx-980"),
        ("AMD Instinct MI210", "mi210"),
        ("Some New Card", "some-new-card"),
    ],
)
def test_names_of_devices(device: str, chip: str) -> None:
    assert chip_named(device) == chip


@pytest.mark.parametrize(("name", "file", "text"), [
    ("neusight", "linear.csv", LINEAR + "tesla-t4,1,2,3,4,0.5\n"),
    ("deepbench", "x.log", PRINTED),
    ("caffe", "x.log", caffe_log(ALEXNET)),
])  # fmt: skip
def test_cut_anywhere_a_file_gives_rows_or_a_message(name: str, file: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / file
    for end in range(0, len(text), 7):
        path.write_text(text[:end])
        with suppress(UsageError, DataError):  # any other exception fails
            list(read_public(name, path, chip="tesla-t4"))
