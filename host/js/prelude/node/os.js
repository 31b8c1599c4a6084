// What packages ask of Node's os. Nothing of it tells about the machine.
(function () {
  return { exports: { EOL: '\n', devNull: '/dev/null', arch: () => 'wasm', platform: () => 'postern', type: () => 'Postern', release: () => '', version: () => '',
    machine: () => '', endianness: () => 'LE', hostname: () => 'localhost', homedir: () => '/', tmpdir: () => '/tmp', cpus: () => [], availableParallelism: () => 1,
    loadavg: () => [0, 0, 0], totalmem: () => 0, freemem: () => 0, uptime: () => 0, networkInterfaces: () => ({}),
    userInfo: () => ({ username: '', uid: -1, gid: -1, shell: null, homedir: '/' }), constants: { signals: {}, errno: {} } } };
});
