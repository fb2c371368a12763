// Runs ONNX models in onnxruntime-node on commands from standard input, one
// JSON object a line, each answered by one:
//
//   {"load": "x.onnx", "threads": 1}   -> {"milliseconds": M}
//   {"run": "x.npy", "times": N}       -> {"milliseconds": [M, …],
//                                          "logits": [… of the last run]}
//     with "index": I, of its image I
//   {"memory": true}                   -> {"peak_kb": K}
//
// With arguments instead, `peer.js x.onnx x.npy [threads]`, it loads the model,
// answers one image and ends: a cold start.
'use strict';
const fs = require('fs');
const readline = require('readline');
const ort = require('onnxruntime-node');

let session = null;

async function load(path, threads) {
  if (session) await session.release();
  session = await ort.InferenceSession.create(path, {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
}

/** One image of a little-endian float32 .npy of version 1. */
function readImage(path, index) {
  const file = fs.readFileSync(path);
  const length = file.readUInt16LE(8);
  const header = file.toString('latin1', 10, 10 + length);
  const shape = /'shape': \(([^)]*)\)/.exec(header)[1]
    .split(',').filter((part) => part.trim()).map(Number);
  const dims = [1, ...shape.slice(-3)];
  const count = dims.reduce((a, b) => a * b);
  const start = 10 + length + 4 * count * index;
  const bytes = file.buffer.slice(file.byteOffset + start,
                                  file.byteOffset + start + 4 * count);
  return new ort.Tensor('float32', new Float32Array(bytes), dims);
}

async function run(path, times, index = 0) {
  const feeds = {image: readImage(path, index)};
  const milliseconds = [];
  let logits = null;
  for (let i = 0; i < times; ++i) {
    const start = process.hrtime.bigint();
    const result = await session.run(feeds);
    milliseconds.push(Number(process.hrtime.bigint() - start) * 1e-6);
    logits = result.logits.data;
  }
  return {milliseconds, logits: Array.from(logits)};
}

function peakMemory() {
  const status = fs.readFileSync('/proc/self/status', 'latin1');
  return Number(/VmHWM:\s*(\d+)/.exec(status)[1]);
}

async function answer(command) {
  if (command.load) {
    const start = process.hrtime.bigint();
    await load(command.load, command.threads);
    return {milliseconds: Number(process.hrtime.bigint() - start) * 1e-6};
  }
  if (command.run) return run(command.run, command.times, command.index);
  return {peak_kb: peakMemory()};
}

async function main() {
  const [model, image, threads] = process.argv.slice(2);
  if (model) {
    await load(model, Number(threads || 1));
    const {logits} = await run(image, 1);
    console.log(JSON.stringify({logits, peak_kb: peakMemory()}));
    return;
  }
  for await (const line of readline.createInterface({input: process.stdin}))
    console.log(JSON.stringify(await answer(JSON.parse(line))));
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
