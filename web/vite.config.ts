import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  build: {
    chunkSizeWarningLimit: 4000,
    rollupOptions: {
      input: ["index.html", "graphiql.html"],
      // directives of React libraries mean nothing in a bundle
      onwarn: (warning, warn) => warning.code === "MODULE_LEVEL_DIRECTIVE" || warn(warning),
    },
  },
});
