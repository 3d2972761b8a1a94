#!/usr/bin/env node
// A bcoin full node on regtest as a counterparty for interop tests.
//
//   node.js PORT      listens on 127.0.0.1:PORT, everything in memory
//
// It prints one JSON line per event and reads one command per line on stdin;
// README.md lists them.  It never dials by itself, only on `connect`.

'use strict';

// The native parts of bcoin are not built: a node for tests needs no speed.
process.env.NODE_BACKEND = 'js';

const Module = require('module');
const load = Module._load;

// bcoin loads its disk database even when it keeps everything in memory.
Module._load = function(name, ...rest) {
  return name === 'leveldown' ? {} : load.call(this, name, ...rest);
};

const readline = require('readline');
const bcoin = require('bcoin');
const NetAddress = require('bcoin/lib/net/netaddress');
const packets = require('bcoin/lib/net/packets');

const FEE = 10000;

// Coinbases pay to the hash of the one-opcode script OP_TRUE, which anybody
// can spend by showing that script: no keys and no wallet.
const redeem = new bcoin.Script([bcoin.Opcode.fromInt(1)]);
const payTo = bcoin.Address.fromScripthash(redeem.hash160());

const port = Number(process.argv[2]);
if (!(port > 0 && port < 65536)) {
  process.stderr.write('usage: node.js PORT\n');
  process.exit(2);
}

const node = new bcoin.FullNode({
  network: 'regtest',
  memory: true,
  workers: false,
  listen: true,
  host: '127.0.0.1',
  port: port,
  seeds: [],
  maxInbound: 100,
  bip37: true,
  logLevel: 'none',
  coinbaseAddress: [payTo.toString('regtest')]
});

// The HTTP server would be one more port to choose; nothing here needs it.
node.http.open = node.http.close = async () => {};

// Tests hand over public addresses.  The pool must not try to reach them.
node.pool.fillOutbound = () => {};

function emit(event, fields) {
  process.stdout.write(JSON.stringify(Object.assign({event}, fields)) + '\n');
}

function fail(err) {
  emit('error', {error: err.message});
}

function commandOf(packet) {
  return packet.cmd || packets.typesByVal[packet.type].toLowerCase();
}

// describe adds what a test may want to compare.
function describe(packet) {
  switch (commandOf(packet)) {
    case 'version':
      return {version: packet.version, services: packet.services,
        user_agent: packet.agent, height: packet.height, relay: !packet.noRelay};
    case 'inv': case 'getdata': case 'notfound': case 'headers': case 'addr':
      return {count: packet.items.length};
    case 'tx':
      return {txid: packet.tx.txid()};
    case 'block':
      return {hash: packet.block.rhash()};
    case 'reject':
      return {rejected: packet.message, code: packet.code, reason: packet.reason};
    default:
      return {};
  }
}

function about(peer) {
  return {addr: peer.hostname(), outbound: peer.outbound};
}

function reportTip() {
  emit('tip', {height: node.chain.height, hash: node.chain.tip.rhash()});
}

function report() {
  const pool = node.pool;
  pool.on('listening', () => emit('listening', {addr: `127.0.0.1:${port}`}));
  pool.on('peer connect', peer => emit('peer connect', about(peer)));
  pool.on('peer open', peer => emit('peer open', Object.assign(about(peer),
    {version: peer.version, user_agent: peer.agent, height: peer.height})));
  pool.on('peer close', peer => emit('peer close', about(peer)));
  pool.on('ban', peer => emit('ban', about(peer)));
  pool.on('packet', (packet, peer) => emit('packet', Object.assign(
    {command: commandOf(packet), addr: peer.hostname()}, describe(packet))));
  node.on('tx', tx => emit('tx', {txid: tx.txid()}));
  node.on('connect', reportTip);
  node.on('error', fail);
}

async function mine(count) {
  for (let i = 0; i < count; i++) {
    const block = await node.miner.mineBlock();
    if (!await node.chain.add(block))
      throw new Error('mined block was not accepted');
  }
  emit('mined', {height: node.chain.height, hash: node.chain.tip.rhash()});
}

// spend builds a transaction from the coinbase of one of our mature blocks.
let nextCoin = 1;
async function spend() {
  if (node.chain.height < nextCoin + 100)
    throw new Error('no mature coinbase: mine 101 blocks first');
  const block = await node.chain.getBlock(nextCoin++);
  const coinbase = block.txs[0];
  const tx = new bcoin.MTX();
  tx.addOutpoint(new bcoin.Outpoint(coinbase.hash('hex'), 0));
  tx.inputs[0].script = bcoin.Script.fromItems([redeem.toRaw()]);
  tx.addOutput(payTo, coinbase.outputs[0].value - FEE);
  return tx.toTX();
}

async function sendTx(hex) {
  const tx = hex ? bcoin.TX.fromRaw(hex, 'hex') : await spend();
  await node.sendTX(tx);
  emit('sent tx', {txid: tx.txid(), hex: tx.toRaw().toString('hex')});
}

function connect(target) {
  const addr = NetAddress.fromHostname(target, node.network);
  node.pool.peers.add(node.pool.createOutbound(addr));
}

// addHosts fills the table a getaddr is answered from with public addresses
// spread over many networks.
function addHosts(count) {
  for (let i = 0; i < count; i++) {
    const host = `${11 + i % 100}.${1 + Math.floor(i / 100) % 250}.1.${1 + i % 250}`;
    const addr = NetAddress.fromHost(host, 8333, node.network);
    addr.services = 9;
    addr.time = node.network.now();
    node.pool.hosts.add(addr);
  }
  emit('hosts', {count: node.pool.hosts.size()});
}

// unban forgives everybody.  A ban is by host, so one bad connection would
// shut out the whole loopback for a day.
function unban() {
  node.pool.hosts.clearBanned();
  emit('unbanned', {});
}

async function blockHash(height) {
  const hash = await node.chain.getHash(Number(height));
  if (!hash)
    throw new Error('no block at that height');
  emit('block', {height: Number(height),
    hash: Buffer.from(hash, 'hex').reverse().toString('hex')});
}

async function stop() {
  await node.disconnect();
  await node.close();
  emit('stopped', {});
  process.exit(0);
}

function count(text) {
  const n = Number(text);
  if (!(n > 0))
    throw new Error('a count is missing');
  return n;
}

async function run(line) {
  const [name, arg] = line.trim().split(/\s+/);
  switch (name) {
    case '': return undefined;
    case 'mine': return mine(count(arg));
    case 'connect': return connect(arg);
    case 'tx': return sendTx(arg);
    case 'addr': return addHosts(count(arg));
    case 'unban': return unban();
    case 'tip': return reportTip();
    case 'block': return blockHash(arg);
    case 'stop': return stop();
    default: throw new Error(`unknown command ${name}`);
  }
}

// Commands run one after the other, in the order they came.
function listenToStdin() {
  // Nobody reads us any more: the test is gone.
  process.stdout.on('error', () => process.exit(1));
  let last = Promise.resolve();
  const lines = readline.createInterface({input: process.stdin});
  const add = line => last = last.then(() => run(line)).catch(fail);
  lines.on('line', add);
  // The end of stdin ends the node, so that a test that dies leaves nothing.
  lines.on('close', () => add('stop'));
}

async function main() {
  report();
  await node.open();
  await node.connect();
  node.startSync();
  reportTip();
  listenToStdin();
}

main().catch((err) => {
  process.stderr.write(`${err.stack}\n`);
  process.exit(1);
});
