import js from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "build", "node_modules", "src/generated"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: tseslint.configs.strictTypeChecked,
    languageOptions: { parserOptions: { project: ["./tsconfig.test.json"], tsconfigRootDir: import.meta.dirname } },
  },
  // Numbers of the wire are taken as they come; TypeScript takes them for the enumerations that they are of.
  { files: ["**/*.ts"], rules: { "@typescript-eslint/no-unsafe-enum-assignment": "off" } },
  // node:test takes promises itself.
  { files: ["test/**/*.ts"], rules: { "@typescript-eslint/no-floating-promises": "off" } },
  { files: ["**/*.js", "**/*.mjs"], languageOptions: { globals: { process: "readonly" } } },
);
