import { createSocket } from 'node:dgram'

/** Sends each as one datagram to a port of this machine; resolves when the system has them all. */
export async function sendDatagrams(port: number, datagrams: readonly (Buffer | string)[]): Promise<void> {
  const socket = createSocket('udp4')
  try {
    for (const datagram of datagrams) {
      await new Promise<void>((resolve, reject) =>
        socket.send(datagram, port, '127.0.0.1', (error) => (error ? reject(error) : resolve())),
      )
    }
  } finally {
    socket.close()
  }
}
