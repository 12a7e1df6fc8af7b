import { defineConfig } from "vite";

// Fixed names: the build is checked in, and a change of the sources must not rename its files.
export default defineConfig({
  base: "./",
  publicDir: "public",
  build: {
    outDir: "../built",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: false,
    target: "es2022",
    rollupOptions: {
      output: { entryFileNames: "page/page.js", chunkFileNames: "page/[name].js", assetFileNames: "page/[name][extname]" },
    },
  },
});
