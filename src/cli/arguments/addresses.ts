import { InvalidValue } from "./options.ts";

/** Where to listen. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

const HOST_AND_PORT = /^(?:(?<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):)?(?<port>\d{1,5})$/;

/** HOST:PORT, with brackets around an IPv6 address. Port 0 stands for any that is free. */
export function parseListenAddress(value: string): HostAndPort {
  const address = read(value);
  if (address?.host === undefined) throw new InvalidValue("is not HOST:PORT, such as 0.0.0.0:7433 or [::]:7433");
  return { host: address.host, port: address.port };
}

/** The same, or a port alone, which means this machine only. */
export function parseLocalAddress(value: string): HostAndPort {
  const address = read(value);
  if (address === undefined) throw new InvalidValue("is neither HOST:PORT, such as 127.0.0.1:9433, nor a port");
  return { host: address.host ?? "127.0.0.1", port: address.port };
}

function read(value: string): { readonly host: string | undefined; readonly port: number } | undefined {
  const { host, port } = HOST_AND_PORT.exec(value)?.groups ?? {};
  const number = Number(port);
  if (port === undefined || number > 65_535) return undefined;
  return { host: host?.replace(/^\[(.*)\]$/, "$1"), port: number };
}
