import { readFileSync } from 'node:fs';

import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

// The server that the development pages talk to: `headsup serve --demo`.
const server = 'http://127.0.0.1:3978';

/** Ships the notices of Web Chat's own dependencies beside the bundle, whose first line names this file. */
const webchatNotices: Plugin = {
  name: 'webchat-notices',
  apply: 'build',
  generateBundle() {
    const name = 'webchat.js.LICENSE.txt';
    this.emitFile({ type: 'asset', fileName: `assets/${name}`, source: readFileSync(`vendor/${name}`) });
  },
};

export default defineConfig({
  plugins: [react(), webchatNotices],
  build: {
    // dist/README.md stays: scripts/clean.mjs empties the folder.
    emptyOutDir: false,
    // Files, not data: addresses, so that the content security policy can stay narrow.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 5000,
    license: { fileName: 'assets/licences.md' },
    rolldownOptions: {
      input: { start: 'index.html', audit: 'audit/index.html', playground: 'playground/index.html', preview: 'preview/index.html' },
    },
  },
  server: {
    proxy: {
      '/playground/api': server,
      '/v3': { target: server, ws: true },
      '/v1': server,
      '/api': server,
    },
  },
});
