#!/bin/sh
# Draws the pictures of docs/chips with the program's own command. From the root of the project: sh studies/chip_figures.sh
set -e
plot() { out=$1; shift; python -m roofline plot "$@" --out "reports/figures/$out.png"; }
plot tpu-v1 tpu-v1 -w tpu-v1-mlp0 -w tpu-v1-mlp1 -w tpu-v1-lstm0 -w tpu-v1-lstm1 -w tpu-v1-cnn0 --dtype int8
plot tpu-v2 tpu-v2 -w resnet50 -w bert-large -w mobilenetv1 --batch 64 --dtype bf16
plot tpu-v3 tpu-v3 -w resnet50 -w bert-large -w mobilenetv1 --batch 64 --dtype bf16
plot tpu-v5e tpu-v5e -w resnet50 -w bert-large -w mobilenetv1 --batch 64 --dtype bf16
plot tesla-fsd tesla-fsd-npu -w inception-v3 -w resnet50 -w googlenet --batch 1 --dtype int8
plot inferentia inferentia -w resnet50 -w vgg16 -w bert-base -w bert-large --batch 6 --dtype fp16
plot inferentia2 inferentia2 -w resnet50 -w vgg16 -w bert-base -w bert-large --batch 8 --dtype fp16
plot trainium trainium -w resnet50 -w vgg16 -w bert-base -w vit-b-16 --batch 8 --dtype bf16
plot nnp-t nnp-t-1300 nnp-t-1400 -w resnet50 -w bert-large -w vgg16 --batch 32 --dtype bf16
plot nnp-i nnp-i-1000-10w nnp-i-1000 -w resnet50 -w vgg16 -w mobilenetv1 --batch 1 --dtype int8
plot fsd-and-gpus tesla-fsd-npu gtx-980 rtx-2070 tesla-t4 -w inception-v3 -w resnet50 --batch 1 --dtype int8,fp16
