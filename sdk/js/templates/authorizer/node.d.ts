// What this plugin uses of the modules that Postern supplies under Node.js's names. Install @types/node instead to have all.
declare module "node:crypto" {
  export function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean;
}
