import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// The server that the development pages talk to: `headsup serve --demo`.
const server = 'http://127.0.0.1:3978';

export default defineConfig({
  plugins: [react()],
  build: {
    // dist/README.md stays: scripts/clean.mjs empties the folder.
    emptyOutDir: false,
    // Files, not data: addresses, so that the content security policy can stay narrow.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 5000,
    rollupOptions: {
      input: ['index.html', 'playground/index.html'],
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
