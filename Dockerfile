# Built with the development dependencies, which stay behind in this stage.
FROM node:26.10-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

# What runs: production dependencies, the build and the migrations. No compiler, no embedded database.
FROM node:26.10-slim
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force
COPY --from=build /app/dist ./dist
COPY migrations ./migrations
# DATA_DIR of a trial with NODE_ENV=development. In production nothing is ever written.
RUN mkdir -m 700 /data && chown node:node /data
USER node
EXPOSE 3000
# A start waits up to 30 s for its database before it listens.
HEALTHCHECK --interval=10s --timeout=3s --start-period=40s --start-interval=1s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/health/live`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/server.js"]
