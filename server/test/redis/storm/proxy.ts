import { connect, createServer, type Socket } from 'node:net';

// A process between clients and servers that can cut every connection at once.
// Arguments: the ports of the servers. Sends its port once it listens, and the number of cut connections
// for each `cut` message.

const ports = process.argv.slice(2).map(Number);
const sockets = new Set<Socket>();
let turn = 0;

const track = (socket: Socket): void => {
  sockets.add(socket);
  socket.on('error', () => undefined);
  socket.once('close', () => sockets.delete(socket));
};

const server = createServer(client => {
  turn += 1;
  const upstream = connect(ports[turn % ports.length] ?? 0, '127.0.0.1');
  track(client);
  track(upstream);
  client.pipe(upstream).pipe(client);
  client.once('close', () => upstream.destroy());
  upstream.once('close', () => client.destroy());
});

server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') process.send?.({ port: address.port });
});

process.on('message', message => {
  if (message !== 'cut') return;
  const count = sockets.size;
  for (const socket of sockets) socket.destroy();
  process.send?.({ cut: count });
});
process.on('disconnect', () => process.exit(0));
