// Tells of every entry of an archive: type, mode, size, path, content or target.
const crypto = require('crypto');
const fs = require('fs');
const zlib = require('zlib');

const [, , archive, how] = process.argv;

function text(block, from, length) {
  const field = block.subarray(from, from + length);
  const end = field.indexOf(0);
  return end < 0 ? field : field.subarray(0, end);
}

function number(block, from, length) {
  if (block[from] & 0x80) {
    return Number(block.readBigUInt64BE(from + length - 8));
  }
  return parseInt(text(block, from, length).toString('latin1').trim() || '0', 8);
}

function records(body) {
  const found = {};
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const length = parseInt(body.toString('latin1', at, space), 10);
    const equals = body.indexOf(0x3d, space);
    found[body.toString('latin1', space + 1, equals)] = body.subarray(equals + 1, at + length - 1);
    at += length;
  }
  return found;
}

function path(block, extended) {
  if (extended.path) return extended.path;
  const prefix = text(block, 345, 155);
  const name = text(block, 0, 100);
  return prefix.length ? Buffer.concat([prefix, Buffer.from('/'), name]) : name;
}

function tell(block, body, extended) {
  const kind = { 0: 'f', 1: 'h', 2: 'l', 5: 'd', 6: 'p' }[String.fromCharCode(block[156])];
  let name = path(block, extended);
  if (name[name.length - 1] === 0x2f) name = name.subarray(0, name.length - 1);
  if (name.length === 0 || name.toString() === '.') return;
  let mode = (number(block, 100, 8) & 0o7777).toString(8);
  let [size, content] = ['-', '-'];
  if (kind === 'f') {
    size = body.length;
    content = crypto.createHash('sha256').update(body).digest('hex');
  } else if (kind === 'h' || kind === 'l') {
    mode = '-';
    content = (extended.linkpath || text(block, 157, 100)).toString('hex');
  }
  console.log(kind, mode, size, name.toString('hex'), content);
}

function read(tar) {
  let extended = {};
  for (let at = 0; at + 512 <= tar.length; ) {
    const block = tar.subarray(at, at + 512);
    if (block.every((byte) => byte === 0)) break;
    const size = extended.size ? parseInt(extended.size, 10) : number(block, 124, 12);
    const body = tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
    const type = String.fromCharCode(block[156]);
    if (type === 'x') {
      extended = { ...extended, ...records(body) };
    } else if (type === 'L') {
      // GNU's way for a long name, here one that is not UTF-8.
      extended.path = text(body, 0, size);
    } else if (type === 'K') {
      extended.linkpath = text(body, 0, size);
    } else if (type !== 'g') {
      tell(block, body, extended);
      extended = {};
    }
  }
}

if (how === 'whole') {
  read(zlib.gunzipSync(fs.readFileSync(archive)));
} else {
  const chunks = [];
  const stream = fs.createReadStream(archive).pipe(zlib.createGunzip());
  stream.on('data', (chunk) => chunks.push(chunk));
  stream.on('end', () => read(Buffer.concat(chunks)));
}
